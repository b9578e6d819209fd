/** How sizes, times, states and faults read on the page. */
import type { Path, Source, TransferState } from "samara-web";

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** `45.2 MB` */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `40 s`, `3 min`, `2 h 5 min` */
export function duration(seconds: number): string {
  if (seconds < 59.5) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest > 0 ? ` ${rest} min` : ""}`;
}

/** `43 %` */
export function percent(part: number, whole: number): string {
  // Never 100 before it is all there.
  return `${whole > 0 ? Math.floor((part / whole) * 100) : 0} %`;
}

export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

export const STATES: Record<TransferState, string> = {
  waiting: "Looking for somebody who has it",
  active: "Arriving",
  paused: "Paused",
  done: "Complete",
  failed: "Stopped",
};

/** The technical names of paths. */
export const PATHS: Record<Path, string> = {
  webrtc: "WebRTC",
  websocket: "WebSocket",
  circuit: "circuit",
};

/** How a source is reached: for a person, with the reason where it is not directly. */
export function reached({ path, pair, detour }: Pick<Source, "path" | "pair" | "detour">): string {
  const since = detour === undefined ? "" : `, since ${detour}`;
  return `${from(path, pair)}${since}`;
}

function from(path: Path, pair: Source["pair"]): string {
  switch (path) {
    case "websocket":
      return "From a relay or a seeder";
    case "circuit":
      return "Passed on, sealed, by the relay";
    case "webrtc":
      switch (pair) {
        case "direct":
          return "Straight from another device";
        case "turn":
          return "From another device, sealed, through a TURN server";
        case undefined:
          return "From another device";
      }
  }
}

/** What went wrong, as a sentence. The library's messages say what to do. */
export function fault(error: unknown): string {
  const text = error instanceof Error ? error.message.trim() : "";
  if (text === "") return "Something went wrong that has no name. Reload the page and try again.";
  const end = /[.!?]$/.test(text) ? "" : ".";
  return text.charAt(0).toUpperCase() + text.slice(1) + end;
}
