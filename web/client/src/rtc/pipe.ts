// Where a browser cannot hand a data channel to a worker, its messages go through a port.
// The page's end only copies; counting what is still to be sent is the worker's, see
// `piped-channel.ts`.

/** What the page's end of the pipe says besides messages. */
export type PipeEvent =
  | { kind: "open" }
  | { kind: "close" }
  /** So many bytes have left the channel since it opened. */
  | { kind: "sent"; bytes: number };

/** What the worker's end says besides messages. */
export type PipeCommand = { kind: "close" };

/** Where the channel tells that it can take more, in bytes. */
const LOW = 262_144;

/** Pipes the channel; the other end of the returned port is its. */
export function pipe(channel: RTCDataChannel): MessagePort {
  const { port1: near, port2: far } = new MessageChannel();
  const tell = (event: PipeEvent): void => near.postMessage(event);
  let handed = 0;
  let told = 0;
  const tellSent = (): void => {
    const sent = handed - channel.bufferedAmount;
    if (sent > told) {
      told = sent;
      tell({ kind: "sent", bytes: sent });
    }
  };

  channel.binaryType = "arraybuffer";
  channel.bufferedAmountLowThreshold = LOW;
  channel.onopen = () => tell({ kind: "open" });
  channel.onclose = () => tell({ kind: "close" });
  channel.onbufferedamountlow = tellSent;
  channel.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) {
      near.postMessage(data, [data]);
    } else {
      near.postMessage(new ArrayBuffer(0));
    }
  };
  near.onmessage = ({ data }: MessageEvent<ArrayBuffer | PipeCommand>) => {
    if (!(data instanceof ArrayBuffer)) {
      channel.close();
    } else if (channel.readyState === "open") {
      channel.send(data);
      handed += data.byteLength;
      if (channel.bufferedAmount <= LOW) {
        tellSent();
      }
    }
  };
  return far;
}
