// dcmjs-dimse against Safelight: node dimse.mjs PORT STUDY FOLDER; prints what it was told, as JSON.
// What it fetched over C-GET it writes into FOLDER.
import dimse from 'dcmjs-dimse';
import path from 'node:path';

const { Client } = dimse;
const { CEchoRequest, CFindRequest, CGetRequest, CMoveRequest, CStoreRequest } = dimse.requests;
const { CStoreResponse } = dimse.responses;
const { PresentationContextResult, SopClass, Status, StorageClass, TransferSyntax } = dimse.constants;
const [port, study, folder] = process.argv.slice(2);

function ask(request, prepare = () => {}) {
  return new Promise((resolve, reject) => {
    const found = [];
    const client = new Client();
    let last = null;
    request.on('response', (response) => {
      last = response;
      if (response.hasDataset()) found.push(response.getDataset().getElements());
    });
    client.addRequest(request);
    prepare(client, request);
    client.on('networkError', reject);
    client.on('associationRejected', reject);
    client.on('closed', () => resolve({ status: last && last.getStatus(), found, last }));
    client.send('127.0.0.1', Number(port), 'DCMJS', 'SAFELIGHT');
  });
}

const told = {};
told.echo = (await ask(new CEchoRequest())).status;

const studies = await ask(CFindRequest.createStudyFindRequest({ StudyInstanceUID: study, PatientID: '' }));
told.patients = studies.found.map((one) => one.PatientID);

const steps = await ask(CFindRequest.createWorklistFindRequest({ PatientName: '', AccessionNumber: '' }));
told.worklist = steps.status;
told.steps = steps.found.map((one) => one.AccessionNumber).sort();

let taken = 0;
const fetched = await ask(CGetRequest.createStudyGetRequest(study), (client, request) => {
  request.setAdditionalTransferSyntaxes?.([TransferSyntax.ExplicitVRLittleEndian]);
  client.on('cStoreRequest', (incoming, answer) => {
    incoming.getDataset().toFile(path.join(folder, `${taken++}.dcm`));
    const response = CStoreResponse.fromRequest(incoming);
    response.setStatus(Status.Success);
    answer(response);
  });
});
told.get = { status: fetched.status, taken };

const moved = await ask(CMoveRequest.createStudyMoveRequest('SINK', study));
told.move = { status: moved.status, completed: moved.last.getCompleted() };

if (taken) told.store = (await ask(new CStoreRequest(path.join(folder, '0.dcm')))).status;

console.log(JSON.stringify(told));
