/** One file on the page: its name, how far it is, and what can be done. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Transfer } from "samara-web";
import { useChanges } from "./changes.ts";
import type { Desk, Item, Sealing, Shared } from "./desk.ts";
import { Share } from "./share.tsx";
import { Sources } from "./sources.tsx";
import { duration, fault, percent, STATES, size } from "./words.ts";

export function ItemCard({ item, desk }: { item: Item; desk: Desk }) {
  return item.kind === "sealing" ? (
    <SealingCard item={item} desk={desk} />
  ) : (
    <SharedCard item={item} desk={desk} />
  );
}

function SealingCard({ item, desk }: { item: Sealing; desk: Desk }) {
  const failed = item.problem !== undefined;
  return (
    <li class="card" data-testid="transfer" data-state={failed ? "failed" : "active"}>
      <Heading name={item.name} bytes={item.size} />
      <Bar name={item.name} done={item.sealed} all={item.size} />
      {failed ? (
        <p class="fault" role="alert" data-testid="error">
          {item.problem}
        </p>
      ) : (
        <p class="line">Sealing, {percent(item.sealed, item.size)}</p>
      )}
      <div class="row actions">
        <button type="button" class="plain" onClick={() => desk.remove(item)}>
          {failed ? "Remove" : "Cancel"}
        </button>
      </div>
    </li>
  );
}

function SharedCard({ item, desk }: { item: Shared; desk: Desk }) {
  const { transfer, own } = item;
  useChanges(transfer);
  const { state, entry, progress } = transfer;
  const name = entry?.name ?? "A sealed file";
  const all = entry?.size ?? progress.totalBytes;
  return (
    <li class="card" data-testid="transfer" data-state={state}>
      <Heading name={name} {...(entry && { bytes: entry.size })} />
      {!own && <Bar name={name} done={progress.bytes} all={all} complete={state === "done"} />}
      {!own && (
        <p class="line">
          <Standing transfer={transfer} />
        </p>
      )}
      {transfer.error !== undefined && (
        <p class="fault" role="alert" data-testid="error">
          {fault(transfer.error)}
        </p>
      )}
      {!own && <Sources transfer={transfer} />}
      {own && <Share item={item} desk={desk} />}
      <Actions item={item} desk={desk} />
      {!own && state === "done" && <Share item={item} desk={desk} />}
    </li>
  );
}

function Heading({ name, bytes }: { name: string; bytes?: number }) {
  return (
    <h2 class="name">
      <span>{name}</span>
      {bytes !== undefined && <small>{size(bytes)}</small>}
    </h2>
  );
}

interface BarProps {
  name: string;
  done: number;
  all: number;
  complete?: boolean;
}

function Bar({ name, done, all, complete = false }: BarProps) {
  // An empty file is complete with nothing to count.
  const whole = Math.max(all, 1);
  return (
    <progress
      data-testid="progress"
      aria-label={`Progress of ${name}`}
      max={whole}
      value={complete ? whole : done}
    />
  );
}

/** The state in words, with what is left. */
function Standing({ transfer }: { transfer: Transfer }) {
  const { state, progress } = transfer;
  const { bytes, totalBytes, bytesPerSecond } = progress;
  const parts = [STATES[state]];
  if (state !== "done" && totalBytes > 0) {
    parts.push(`${size(bytes)} of ${size(totalBytes)}, ${percent(bytes, totalBytes)}`);
  }
  if (state === "active" && bytesPerSecond > 0) {
    parts.push(`${size(bytesPerSecond)}/s`);
    parts.push(`${duration((totalBytes - bytes) / bytesPerSecond)} left`);
  }
  return (
    <>
      {parts.join(" · ")}
      {state === "waiting" && (
        <span class="quiet block">
          If this lasts, nobody who has the file is online. Ask whoever sent the link to open their
          page; this one goes on by itself.
        </span>
      )}
    </>
  );
}

function Actions({ item, desk }: { item: Shared; desk: Desk }) {
  const { transfer, own } = item;
  const { state } = transfer;
  return (
    <div class="row actions">
      {!own && state !== "failed" && <Save transfer={transfer} />}
      {(state === "active" || state === "waiting") && (
        <button type="button" class="plain" onClick={() => transfer.pause()}>
          Pause
        </button>
      )}
      {state === "paused" && (
        <button type="button" class="plain" onClick={() => transfer.resume()}>
          Resume
        </button>
      )}
      {state === "failed" && (
        <button type="button" onClick={() => desk.again(item)}>
          Try again
        </button>
      )}
      <button type="button" class="plain" onClick={() => desk.remove(item)}>
        {own ? "Stop sharing" : "Remove"}
      </button>
    </div>
  );
}

function Save({ transfer }: { transfer: Transfer }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const gone = useRef(new AbortController());
  useEffect(() => () => gone.current.abort(), []);
  const save = async () => {
    setBusy(true);
    setProblem("");
    try {
      const { signal } = gone.current;
      download(await transfer.blob({ signal }), transfer.entry?.name ?? "file");
    } catch (error) {
      setProblem(fault(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button
        type="button"
        data-testid="save"
        disabled={transfer.state !== "done" || busy}
        onClick={save}
      >
        {busy ? "Opening the seals…" : "Save"}
      </button>
      {problem !== "" && (
        <p class="fault" role="alert" data-testid="error">
          {problem}
        </p>
      )}
    </>
  );
}

/** Has the browser save a file. */
function download(file: Blob, name: string): void {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(file);
  anchor.download = name;
  anchor.click();
  // The browser reads the address after this task.
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
}
