/** The little of it that the suite uses; the package brings no types. */
declare module "bittorrent-dht" {
  import type { EventEmitter } from "node:events";
  import type { AddressInfo } from "node:net";

  export default class Client extends EventEmitter {
    constructor(options: { bootstrap: string[] | false });
    readonly ready: boolean;
    listen(port: number, address: string): void;
    address(): AddressInfo;
    destroy(done: () => void): void;
  }
}
