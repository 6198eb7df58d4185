// Going through a list page by page.

export function Pager({ offset, count, size, isMore, onGo }: {
  offset: number;
  count: number;
  size: number;
  isMore: boolean;
  onGo: (offset: number) => void;
}) {
  if (offset === 0 && !isMore) return null;
  return (
    <nav className="pager" aria-label="Pages of this list">
      <button type="button" className="quiet" disabled={offset === 0} onClick={() => onGo(Math.max(0, offset - size))}>
        ← Before
      </button>
      <span>
        {count === 0 ? 'nothing here' : `${offset + 1} to ${offset + count}`}
        {isMore ? ' of more' : ''}
      </span>
      <button type="button" className="quiet" disabled={!isMore} onClick={() => onGo(offset + size)}>
        After →
      </button>
    </nav>
  );
}
