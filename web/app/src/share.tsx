/** A file's link to pass on, and whether the tab may be closed. */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Pushed } from "samara-web";
import { encode } from "uqr";
import type { Copy, Desk, Shared } from "./desk.ts";

export function Share({ item, desk }: { item: Shared; desk: Desk }) {
  const link = item.transfer.linkFor(window.location.href);
  const keeping = <Keeping item={item} desk={desk} />;
  return item.own ? (
    <Passing link={link} fresh>
      {keeping}
    </Passing>
  ) : (
    <>
      {keeping}
      <details>
        <summary>Pass the link on</summary>
        <Passing link={link} />
      </details>
    </>
  );
}

interface PassingProps {
  link: string;
  /** The link is new: whoever just picked a file wants it next. */
  fresh?: boolean;
  children?: ComponentChildren;
}

/** The link as text and as a code for a phone's camera. */
function Passing({ link, fresh = false, children }: PassingProps) {
  const field = useRef<HTMLInputElement>(null);
  const copy = useRef<HTMLButtonElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (fresh) copy.current?.focus();
  }, [fresh]);
  const take = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(link);
      setCopied(true);
    } catch {
      // Only secure contexts have a clipboard; this copies what is selected anywhere.
      setCopied(document.execCommand("copy"));
    }
  };
  return (
    <div class="passing">
      <div class="link">
        <label class="row">
          <span class="unseen">The link</span>
          <input
            ref={field}
            data-testid="share-link"
            type="text"
            readOnly
            value={link}
            onFocus={(event) => event.currentTarget.select()}
          />
        </label>
        <div class="row">
          <button ref={copy} type="button" data-testid="copy" onClick={take}>
            {copied ? "Copied" : "Copy link"}
          </button>
          {canShare && (
            <button
              type="button"
              class="second"
              data-testid="share"
              onClick={() => void pass(link)}
            >
              Share…
            </button>
          )}
          <span class="quiet">or let a phone scan the code</span>
        </div>
        <span class="unseen" role="status">
          {copied ? "Link copied" : ""}
        </span>
        {children}
      </div>
      <Code text={link} />
    </div>
  );
}

/** Phones have a sheet of their own for passing something on, in secure contexts. */
const canShare = typeof navigator.share === "function";

async function pass(url: string): Promise<void> {
  try {
    await navigator.share({ url });
  } catch {
    // Whoever closes the sheet has changed their mind; the link is still here to copy.
  }
}

function Code({ text }: { text: string }) {
  const { size, path } = useMemo(() => {
    const { data, size } = encode(text, { border: 2 });
    const dots = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")));
    return { size, path: dots.join("") };
  }, [text]);
  return (
    <svg class="code" role="img" aria-label="QR code of the link" viewBox={`0 0 ${size} ${size}`}>
      <path d={path} />
    </svg>
  );
}

/** What happens when this tab closes, and how to make that harmless. */
function Keeping({ item, desk }: { item: Shared; desk: Desk }) {
  const { copy, own } = item;
  return (
    <div class="keeping">
      <p data-testid="pushed" data-state={copy.state} class={copy.state === "done" ? "safe" : ""}>
        <Standing copy={copy} own={own} pushed={item.transfer.progress.pushed} />
      </p>
      {(copy.state === "none" || copy.state === "failed") && (
        <button
          type="button"
          class="second"
          data-testid="push"
          onClick={() => void desk.keep(item)}
        >
          Keep a copy on the relay
        </button>
      )}
    </div>
  );
}

interface StandingProps {
  copy: Copy;
  own: boolean;
  pushed: Pushed | undefined;
}

const KEPT = ["", "The relay proved that it holds", "Others proved that each of them holds"];

function Standing({ copy, own, pushed }: StandingProps) {
  switch (copy.state) {
    case "none":
      return own ? (
        <>
          <strong>Keep this tab open.</strong> People get the file from this browser, so it can be
          had only while the page is open here, or with somebody who already got it.
        </>
      ) : (
        <>
          <strong>Keep this tab open</strong> if others still need the file: whoever has the link
          can get it from this browser while the page is open.
        </>
      );
    case "active":
      return (
        <>
          <strong>Keep this tab open.</strong> Copying sealed pieces to the relay
          {pushed !== undefined && `, ${pushed.proven} of ${pushed.wanted} proven to be there`}…
        </>
      );
    case "done":
      return (
        <>
          <strong>Safe to close.</strong> {KEPT[Math.min(pushed?.copies ?? 1, 2)]} every piece,
          sealed, and cannot open them. They are kept until the room is needed.
        </>
      );
    case "failed":
      return (
        <>
          <strong>Keep this tab open.</strong>{" "}
          <span data-testid="error">The relay has no full copy. {copy.problem}</span>
        </>
      );
  }
}
