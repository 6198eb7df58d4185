// The npm package dicomweb-client against Safelight: node web.mjs URL STUDY; prints what it was told, as JSON.
import { createRequire } from 'node:module';
import { createHash } from 'node:crypto';
import fs from 'node:fs';

const require = createRequire(import.meta.url);
globalThis.XMLHttpRequest = require('xhr2');
const { api } = require('dicomweb-client');

const [url, study, file] = process.argv.slice(2);
const client = new api.DICOMwebClient({ url });
const digest = (data) => createHash('sha256').update(Buffer.from(data)).digest('hex');
const value = (set, tag) => set[tag].Value[0];

const told = {};
const studies = await client.searchForStudies({ queryParams: { StudyInstanceUID: study } });
told.studies = studies.map((one) => value(one, '0020000D'));
const [series] = await client.searchForSeries({ studyInstanceUID: study });
const seriesInstanceUID = value(series, '0020000E');
const [instance] = await client.searchForInstances({ studyInstanceUID: study, seriesInstanceUID });
const sopInstanceUID = value(instance, '00080018');
const at = { studyInstanceUID: study, seriesInstanceUID, sopInstanceUID };

const [metadata] = await client.retrieveSeriesMetadata({ studyInstanceUID: study, seriesInstanceUID });
told.rows = value(metadata, '00280010');
const [frame] = await client.retrieveInstanceFrames({ ...at, frameNumbers: [1] });
told.frame = digest(frame);
const whole = await client.retrieveInstance(at);
told.magic = Buffer.from(whole).subarray(128, 132).toString();
told.study = (await client.retrieveStudy({ studyInstanceUID: study })).length;
const [picture] = await client.retrieveInstanceRendered({ ...at, mediaTypes: [{ mediaType: 'image/png' }] });
told.picture = Buffer.from(picture).subarray(1, 4).toString();

const read = fs.readFileSync(file);
await client.storeInstances({ datasets: [read.buffer.slice(read.byteOffset, read.byteOffset + read.length)] });
told.stored = 'yes';
console.log(JSON.stringify(told));
