/** Who gives a file's pieces: over which path, how much and how fast. */
import type { Transfer, TransferSource } from "samara-web";
import { count, PATHS, reached, size } from "./words.ts";

/** More than these are summed up in one row. */
const MOST_ROWS = 5;

export function Sources({ transfer }: { transfer: Transfer }) {
  const sources = transfer.progress.sources.toSorted((one, other) => other.bytes - one.bytes);
  const active = transfer.state === "active";
  const [shown, rest] = [sources.slice(0, MOST_ROWS), sources.slice(MOST_ROWS)];
  return (
    <ul class="sources" data-testid="sources" aria-label="Sources">
      {shown.map((source) => (
        <li key={source.peer + source.path} data-path={source.path} data-bytes={source.bytes}>
          <span>
            {reached(source)} <small>({PATHS[source.path]})</small>
          </span>
          <Given sources={[source]} active={active} />
        </li>
      ))}
      {rest.length > 0 && (
        <li data-path="others" data-bytes={sum(rest, (source) => source.bytes)}>
          <span>{count(rest.length, "more source", "more sources")}</span>
          <Given sources={rest} active={active} />
        </li>
      )}
    </ul>
  );
}

interface GivenProps {
  sources: readonly TransferSource[];
  /** A rate is of use only while something comes. */
  active: boolean;
}

function Given({ sources, active }: GivenProps) {
  const rate = active ? sum(sources, (source) => source.bytesPerSecond) : 0;
  const bytes = size(sum(sources, (source) => source.bytes));
  return <span class="given">{rate > 0 ? `${size(rate)}/s · ${bytes}` : bytes}</span>;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}
