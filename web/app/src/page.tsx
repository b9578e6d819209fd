/** The whole screen, and the peer's beginning and end. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { open, type Samara } from "samara-web";
import { linkIn, relays } from "./address.ts";
import { ItemCard } from "./card.tsx";
import { useChanges } from "./changes.ts";
import { Desk } from "./desk.ts";
import { Mark } from "./icons.tsx";
import { LinkField, Offer } from "./offer.tsx";
import { Reach } from "./reach.tsx";
import { fault, percent } from "./words.ts";

type Peer =
  | { state: "opening" }
  | { state: "open"; samara: Samara; desk: Desk }
  | { state: "failed"; problem: string };

export function Page() {
  const [peer, retry] = usePeer();
  return (
    <>
      <header class="top">
        <a class="brand" href="./" aria-label="samara, start page">
          <Mark />
          <span>samara</span>
        </a>
        {peer.state === "open" && <Reach samara={peer.samara} />}
      </header>
      <main>
        {peer.state === "opening" && <p class="opening">Starting…</p>}
        {peer.state === "failed" && (
          <div class="fault" role="alert">
            <p data-testid="error">{peer.problem}</p>
            <button type="button" onClick={retry}>
              Try again
            </button>
          </div>
        )}
        {peer.state === "open" && <Work desk={peer.desk} />}
      </main>
      <footer>
        <p>
          Files are cut into pieces and sealed in this browser before anything leaves it. The key is
          in the link, after the <code>#</code>, and browsers send that part to nobody. Relays and
          other helpers carry sealed pieces they cannot read.{" "}
          <strong>Whoever has the link can open the file</strong>, so send it as you would a key.
        </p>
      </footer>
    </>
  );
}

function Work({ desk }: { desk: Desk }) {
  useChanges(desk);
  useEffect(() => guardExit(desk), [desk]);
  const empty = desk.items.length === 0;
  return (
    <>
      {empty && (
        <div class="hello">
          <h1>Send a file with a link</h1>
          <p>It goes, sealed, to whoever opens the link. Nobody in between can read it.</p>
        </div>
      )}
      {desk.notice !== "" && (
        <p class="fault" role="alert" data-testid="error">
          {desk.notice}
        </p>
      )}
      {!empty && (
        <ul class="cards" aria-label="Your files">
          {desk.items.map((item) => (
            <ItemCard key={item.key} item={item} desk={desk} />
          ))}
        </ul>
      )}
      <section class={empty ? "start" : "start small"} aria-label="Send or receive">
        <Offer desk={desk} small={!empty} />
        <LinkField desk={desk} />
      </section>
      <p class="unseen" role="status">
        {desk.saying}
      </p>
      <Title desk={desk} />
    </>
  );
}

/** Progress in the tab's title, for when it is in the background. No file names there. */
function Title({ desk }: { desk: Desk }) {
  useEffect(() => {
    const show = () => {
      const part = desk.items
        .map((item) =>
          item.kind === "sealing"
            ? { done: item.sealed, all: item.size }
            : { done: item.transfer.progress.bytes, all: item.transfer.progress.totalBytes },
        )
        .find(({ done, all }) => done < all);
      document.title = part === undefined ? "samara" : `${percent(part.done, part.all)} · samara`;
    };
    const transfers = desk.items.flatMap((item) => (item.kind === "shared" ? [item.transfer] : []));
    show();
    for (const transfer of transfers) transfer.addEventListener("change", show);
    return () => {
      for (const transfer of transfers) transfer.removeEventListener("change", show);
    };
  });
  return null;
}

function usePeer(): [Peer, () => void] {
  const [peer, setPeer] = useState<Peer>({ state: "opening" });
  const start = useCallback(() => {
    setPeer({ state: "opening" });
    open({ relays: relays(window.location) }).then(
      (samara) => {
        const desk = new Desk(samara);
        const arrive = () => {
          const link = linkIn(window.location);
          if (link !== "") void desk.open(link);
        };
        arrive();
        window.addEventListener("hashchange", arrive);
        setPeer({ state: "open", samara, desk });
      },
      (error: unknown) => setPeer({ state: "failed", problem: fault(error) }),
    );
  }, []);
  useEffect(start, []);
  return [peer, start];
}

/** Has the browser ask before it closes a page that others still need. */
function guardExit(desk: Desk): () => void {
  const ask = (event: BeforeUnloadEvent) => {
    if (desk.needed) event.preventDefault();
  };
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}
