/** The two ways in: a file to send, a link to open. */
import { useEffect, useState } from "preact/hooks";
import { looksLikeLink } from "./address.ts";
import type { Desk } from "./desk.ts";
import { Arrow } from "./icons.tsx";

/** A file by click, keyboard, drop anywhere on the page, or paste. */
export function Offer({ desk, small }: { desk: Desk; small: boolean }) {
  const [over, setOver] = useState(false);
  useEffect(() => takeFromPage(desk, setOver), [desk]);
  return (
    <label class="drop" data-over={over}>
      <input
        type="file"
        multiple
        class="unseen"
        data-testid="file-input"
        onChange={(event) => {
          const { files } = event.currentTarget;
          for (const file of files ?? []) void desk.send(file);
          // The same file may be picked again.
          event.currentTarget.value = "";
        }}
      />
      <Arrow />
      <span class="drop-words">
        <strong>{small ? "Send another file" : "Choose a file"}</strong>
        <span class="quiet mouse"> or drop or paste it here</span>
      </span>
    </label>
  );
}

export function LinkField({ desk }: { desk: Desk }) {
  const [text, setText] = useState("");
  return (
    <form
      class="link-field"
      onSubmit={async (event) => {
        event.preventDefault();
        if (text.trim() === "") desk.refuse("Paste a link into the field first.");
        else if (await desk.open(text)) setText("");
      }}
    >
      <label for="link">Have a link?</label>
      <div class="row">
        <input
          id="link"
          data-testid="link-input"
          type="text"
          inputMode="url"
          autoComplete="off"
          autoCapitalize="off"
          spellcheck={false}
          placeholder="Paste it here"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" data-testid="open-link">
          Open
        </button>
      </div>
    </form>
  );
}

/** Files and links dropped or pasted anywhere on the page. */
function takeFromPage(desk: Desk, setOver: (over: boolean) => void): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  window.addEventListener(
    "dragover",
    (event) => {
      event.preventDefault();
      setOver(true);
    },
    { signal },
  );
  window.addEventListener(
    "dragleave",
    (event) => {
      if (event.relatedTarget === null) setOver(false);
    },
    { signal },
  );
  window.addEventListener(
    "drop",
    (event) => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer !== null) take(desk, event.dataTransfer);
    },
    { signal },
  );
  window.addEventListener(
    "paste",
    (event) => {
      if (event.target instanceof HTMLInputElement && event.target.type === "text") return;
      if (event.clipboardData !== null) take(desk, event.clipboardData);
    },
    { signal },
  );
  return () => stop.abort();
}

function take(desk: Desk, data: DataTransfer): void {
  const items = [...data.items].filter((item) => item.kind === "file");
  for (const item of items) {
    const file = item.getAsFile();
    if (item.webkitGetAsEntry()?.isDirectory === true) {
      desk.refuse("A folder cannot be sent as it is. Pack it into one file, such as a ZIP.");
    } else if (file !== null) {
      void desk.send(file);
    }
  }
  const text = data.getData("text/plain");
  if (items.length === 0 && looksLikeLink(text)) void desk.open(text);
}
