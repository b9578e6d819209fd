import { Connection, type Tell } from "./connection.ts";
import type { ConnectionId, RtcCommand } from "./messages.ts";

/** Makes and closes the page's WebRTC connections as the worker says. */
export class RtcHost {
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #config: RTCConfiguration;
  readonly #tell: Tell;

  constructor(config: RTCConfiguration, tell: Tell) {
    this.#config = config;
    this.#tell = tell;
  }

  handle(command: RtcCommand): void {
    const { connection: id } = command;
    switch (command.kind) {
      case "dial":
        this.#make(id)?.offer();
        return;
      case "answer":
        this.#make(id)?.answer(command.offer);
        return;
      case "signal":
        this.#connections.get(id)?.signal(command.signal);
        return;
      case "hangUp":
        this.#connections.get(id)?.hangUp();
        this.#connections.delete(id);
        return;
    }
  }

  close(): void {
    for (const connection of this.#connections.values()) {
      connection.close();
    }
    this.#connections.clear();
  }

  #make(id: ConnectionId): Connection | undefined {
    try {
      const connection = new Connection(id, this.#config, (event, transfer) => {
        if (event.kind === "closed") {
          this.#connections.delete(id);
        }
        this.#tell(event, transfer);
      });
      this.#connections.set(id, connection);
      return connection;
    } catch (error) {
      const reason = `this browser makes no direct connections: ${String(error)}`;
      this.#tell({ kind: "closed", connection: id, reason });
      return undefined;
    }
  }
}
