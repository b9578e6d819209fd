/** Browsers that lack something: scripts that run in a page before its own. */

/** No data channel can be given to a worker, so its messages are piped. */
export function keepChannels(): void {
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (
    this: Worker,
    message: unknown,
    transfer?: Transferable[] | StructuredSerializeOptions,
  ) {
    if (Array.isArray(transfer) && transfer.some((object) => object instanceof RTCDataChannel)) {
      throw new DOMException("a data channel stays where it is", "DataCloneError");
    }
    Reflect.apply(postMessage, this, [message, transfer]);
  };
  const { createDataChannel } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.createDataChannel = function (this: RTCPeerConnection, ...given) {
    const channel: RTCDataChannel = Reflect.apply(createDataChannel, this, given);
    channels().push(channel);
    return channel;
  };
  function channels(): RTCDataChannel[] {
    const holder = window as { channels?: RTCDataChannel[] };
    holder.channels ??= [];
    return holder.channels;
  }
}

/** Notes every WebRTC connection that the page makes. */
export function noteConnections(): void {
  const made: RTCPeerConnection[] = [];
  Object.assign(window, { connections: made });
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given: ConstructorParameters<typeof RTCPeerConnection>) {
      super(...given);
      made.push(this);
    }
  };
}

/** The first candidate of another peer cannot be used. */
export function refuseOneCandidate(): void {
  const { addIceCandidate } = RTCPeerConnection.prototype;
  let refused = false;
  RTCPeerConnection.prototype.addIceCandidate = async function (
    this: RTCPeerConnection,
    candidate?: RTCIceCandidateInit | null,
  ): Promise<void> {
    if (!refused) {
      refused = true;
      Object.assign(window, { refused });
      throw new DOMException("it cannot be read", "OperationError");
    }
    await Reflect.apply(addIceCandidate, this, [candidate]);
  };
}

/** There is no IndexedDB. */
export function withoutDatabase(): void {
  Object.defineProperty(window, "indexedDB", { value: undefined });
}

/**
 * A worker's program in which the browser gives no more than `bytes` of blobs and
 * counts those that are deleted until their transaction is done, as Chromium does.
 */
export function withQuota(worker: string, bytes: number): string {
  return `
    import ${JSON.stringify(worker)};
    const kept = new Map();
    const refused = new WeakSet();
    const { put, delete: remove } = IDBObjectStore.prototype;
    const { commit } = IDBTransaction.prototype;
    IDBTransaction.prototype.commit = function () {
      return refused.has(this) ? this.abort() : commit.call(this);
    };
    const id = (key) => String(new Uint8Array(key));
    IDBObjectStore.prototype.put = function (value, key) {
      if (this.name !== "blobs") return put.call(this, value, key);
      const { transaction } = this;
      const used = [...kept.values()].reduce((sum, length) => sum + length, 0);
      const request = put.call(this, value, key);
      if (used + value.byteLength > ${bytes}) {
        refused.add(transaction);
      } else {
        kept.set(id(key), value.byteLength);
        transaction.addEventListener("abort", () => kept.delete(id(key)));
      }
      return request;
    };
    IDBObjectStore.prototype.delete = function (key) {
      if (this.name === "blobs") {
        this.transaction.addEventListener("complete", () => kept.delete(id(key)));
      }
      return remove.call(this, key);
    };
    const { get } = Object.getOwnPropertyDescriptor(IDBTransaction.prototype, "error");
    Object.defineProperty(IDBTransaction.prototype, "error", {
      get() {
        const quota = () => new DOMException("no more", "QuotaExceededError");
        return refused.has(this) ? quota() : get.call(this);
      },
    });`;
}

/** A worker's program whose database reads no blobs while a page says so on a channel. */
export function withFailingReads(worker: string, channel: string): string {
  return `
    import ${JSON.stringify(worker)};
    let failing = false;
    const told = new BroadcastChannel(${JSON.stringify(channel)});
    told.onmessage = ({ data }) => { failing = data; told.postMessage("noted"); };
    const { get } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.get = function (key) {
      if (failing && this.name === "blobs") throw new DOMException("cannot read", "UnknownError");
      return get.call(this, key);
    };`;
}
