import { binding } from "./fingerprint.ts";
import type { ConnectionId, RtcEvent, Signal } from "./messages.ts";
import { usesTurn } from "./pair.ts";
import { pipe } from "./pipe.ts";

export type Tell = (event: RtcEvent, transfer?: Transferable[]) => void;

/** What stands for "no limit" when a browser says so: what Chromium accepts, in bytes. */
const MOST = 262_144;

/**
 * The channel's number on both ends. Agreed on beforehand, so both make it at once and
 * nothing can arrive before it is handed to the worker.
 */
const CHANNEL = { negotiated: true, id: 0 } as const;

/** How old a report of a browser's may be, in milliseconds: Chromium gives one for 50. */
const STALE = 100;

/** How long a closed connection may still send what it has, in milliseconds. */
const LINGER = 1000;

/** One WebRTC connection with one ordered, reliable data channel. */
export class Connection {
  readonly #id: ConnectionId;
  readonly #tell: Tell;
  readonly #connection: RTCPeerConnection;
  /** The steps of the negotiation, which must not overlap. */
  #steps: Promise<void> = Promise.resolve();
  /** What the worker was told last of the selected pair. */
  #turn: boolean | undefined;

  constructor(id: ConnectionId, config: RTCConfiguration, tell: Tell) {
    this.#id = id;
    this.#tell = tell;
    this.#connection = new RTCPeerConnection(config);
    this.#connection.onicecandidate = ({ candidate }) => this.#onCandidate(candidate);
    this.#connection.onconnectionstatechange = () => {
      if (this.#connection.connectionState === "failed") {
        this.#fail("the direct connection to the peer failed");
      }
    };
    this.#connection.oniceconnectionstatechange = () => this.#onSelected();
    this.#handOver(this.#connection.createDataChannel("samara", CHANNEL));
  }

  offer(): void {
    this.#step(async () => {
      await this.#connection.setLocalDescription();
      this.#describe("offer");
    });
  }

  answer(offer: string): void {
    this.#step(async () => {
      await this.#connection.setRemoteDescription({ type: "offer", sdp: offer });
      await this.#connection.setLocalDescription();
      this.#describe("answer");
      this.#agreed("answer");
    });
  }

  signal(signal: Signal): void {
    this.#step(async () => {
      switch (signal.kind) {
        case "answer":
          await this.#connection.setRemoteDescription({ type: "answer", sdp: signal.sdp });
          this.#agreed("offer");
          return;
        case "candidate":
          await this.#add(signal);
          return;
        case "offer":
          throw new Error("a second offer");
      }
    });
  }

  /** One that the browser cannot use is no reason to do without the others. */
  async #add({ candidate, mid, mline }: Extract<Signal, { kind: "candidate" }>): Promise<void> {
    const init = { candidate, sdpMid: mid, sdpMLineIndex: mline };
    await this.#connection.addIceCandidate(init).catch(() => undefined);
  }

  /** Closes once what was sent had a chance to go. */
  hangUp(): void {
    this.#connection.onicecandidate = null;
    this.#connection.onconnectionstatechange = null;
    this.#connection.oniceconnectionstatechange = null;
    setTimeout(() => this.#connection.close(), LINGER);
  }

  /** Closes at once. */
  close(): void {
    this.#connection.onconnectionstatechange = null;
    this.#connection.oniceconnectionstatechange = null;
    this.#connection.close();
  }

  /** Gives the channel to the worker in the task that made it: later is too late. */
  #handOver(channel: RTCDataChannel): void {
    const connection = this.#id;
    try {
      this.#tell({ kind: "channel", connection, channel }, [channel as unknown as Transferable]);
    } catch {
      const port = pipe(channel);
      this.#tell({ kind: "channel", connection, channel: port }, [port]);
    }
  }

  #onCandidate(candidate: RTCIceCandidate | null): void {
    if (candidate?.candidate) {
      const signal: Signal = {
        kind: "candidate",
        mid: candidate.sdpMid ?? "",
        mline: candidate.sdpMLineIndex ?? 0,
        candidate: candidate.candidate,
      };
      this.#tell({ kind: "signal", connection: this.#id, signal });
    }
  }

  /** ICE may have selected a pair. */
  #onSelected(): void {
    const ice = this.#connection.sctp?.transport.iceTransport;
    if (ice !== undefined) {
      // A browser may find a better pair later, with no change of state.
      ice.onselectedcandidatepairchange = () => this.#onSelected();
    }
    setTimeout(() => this.#look(), STALE);
  }

  /** Tells the worker what the selected pair goes through, where that is news. */
  async #look(): Promise<void> {
    const report = await this.#connection.getStats().catch(() => undefined);
    const turn = report && usesTurn(report);
    if (turn !== undefined && turn !== this.#turn && this.#connection.signalingState !== "closed") {
      this.#turn = turn;
      this.#tell({ kind: "selected", connection: this.#id, turn });
    }
  }

  #describe(kind: "offer" | "answer"): void {
    const sdp = this.#connection.localDescription?.sdp ?? "";
    this.#tell({ kind: "signal", connection: this.#id, signal: { kind, sdp } });
  }

  /** Both descriptions are in force, as the browser understood them; `made` is its own. */
  #agreed(made: "offer" | "answer"): void {
    const own = this.#connection.currentLocalDescription?.sdp ?? "";
    const other = this.#connection.currentRemoteDescription?.sdp ?? "";
    this.#tell({
      kind: "agreed",
      connection: this.#id,
      maxMessage: Math.min(this.#connection.sctp?.maxMessageSize || MOST, MOST),
      binding: made === "offer" ? binding(own, other) : binding(other, own),
    });
  }

  #step(step: () => Promise<void>): void {
    this.#steps = this.#steps.then(step).catch((error: unknown) => {
      this.#fail(`the direct connection to the peer could not be made: ${String(error)}`);
    });
  }

  #fail(reason: string): void {
    if (this.#connection.signalingState !== "closed") {
      this.close();
      this.#tell({ kind: "closed", connection: this.#id, reason });
    }
  }
}
