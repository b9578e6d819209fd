// Sockets that are dialed while the peer is still opening its store: a relay that is far
// away takes several round trips to answer. It says nothing before the peer does.

export class Ahead {
  readonly #sockets = new Map<string, WebSocket>();

  dial(url: string): void {
    try {
      this.#sockets.set(url, new WebSocket(url));
    } catch {
      // The peer finds out when it dials.
    }
  }

  /** A socket to there, dialed already or now. Throws where the page may not dial. */
  take(url: string): WebSocket {
    const socket = this.#sockets.get(url);
    this.#sockets.delete(url);
    const lives = socket !== undefined && socket.readyState <= WebSocket.OPEN;
    return lives ? socket : new WebSocket(url);
  }
}
