// Bar-code labels of reserved numbers, as PDF.

import { useState } from 'react';
import { address } from '../api/call';
import type { NumberBlocks } from '../api/documents';
import { useDocument } from '../api/live';
import { Dialog } from '../parts/act';
import { Choice } from '../parts/field';
import { Notice } from '../parts/notice';
import { Plain } from '../parts/plain';

const BLOCKS_MAX = 200;

export function LabelsDialog({ onClose }: { onClose: () => void }) {
  const shown = useDocument<NumberBlocks>('downtime/numbers/list');
  const [each, setEach] = useState('1');
  const blocks = shown.document?.blocks ?? [];
  return (
    <Dialog title="Labels" onClose={onClose}>
      <Notice error={shown.error} onRetry={shown.reload} />
      {shown.document && blocks.length === 0 && (
        <p className="empty">No numbers are allotted yet. A PACS administrator reserves them: safelight downtime numbers reserve, then allot.</p>
      )}
      {blocks.length > 0 && (
        <>
          <p>A4 sheets, 21 labels of 63.5 by 38.1 mm on each.</p>
          <Choice label="Labels of each number" value={each} onChange={setEach} options={['1', '2', '3', '4', '6'].map((one) => [one, one] as const)} />
          <ul className="blocks">
            {blocks.slice(0, BLOCKS_MAX).map((block) => (
              <li key={block.block}>
                <span>
                  <strong>
                    {block.first} to {block.last}
                  </strong>
                  <span className="second">
                    {block.for === 'patient' ? 'patient IDs' : 'accession numbers'} · <Plain text={block.site} max={40} />, <Plain text={block.device} max={40} /> ·{' '}
                    {block.taken} of {block.numbers} taken
                  </span>
                </span>
                <a className="button small" href={address('downtime/numbers/labels', { block: block.block, each })} target="_blank" rel="noopener">
                  PDF
                </a>
              </li>
            ))}
          </ul>
          {blocks.length > BLOCKS_MAX && <p className="quiet-words">and {blocks.length - BLOCKS_MAX} more: safelight downtime numbers list</p>}
        </>
      )}
      <div className="dialog-acts">
        <button type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
