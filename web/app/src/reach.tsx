/** Whether others can find this page: how its relays are. */
import type { RelayStatus, Samara } from "samara-web";
import { useChanges } from "./changes.ts";
import { count, fault } from "./words.ts";

export function Reach({ samara }: { samara: Samara }) {
  useChanges(samara);
  const { relays, peers } = samara.status();
  const connected = relays.filter((relay) => relay.connected);
  const lost = relays.filter((relay) => !relay.connected && relay.problem !== undefined);
  const state = connected.length > 0 ? "on" : lost.length > 0 ? "off" : "trying";
  const words = { on: "Connected", trying: "Connecting…", off: "Not connected" }[state];
  const direct = peers.filter((peer) => peer.path === "webrtc").length;
  return (
    <div class="reach">
      <p class="pill" data-testid="reach" data-state={state}>
        {words}
        {direct > 0 && `, ${count(direct, "device", "devices")} linked`}
      </p>
      {state === "off" &&
        lost.map((relay) => (
          <p key={relay.url} class="fault" role="alert" data-testid="error">
            {trouble(relay)} The page keeps trying; until it succeeds, nobody new can find it.
          </p>
        ))}
    </div>
  );
}

/** What is wrong with a relay, naming it once. */
function trouble({ url, problem = "" }: RelayStatus): string {
  const name = host(url);
  const words = fault(new Error(problem));
  return problem.includes(name) ? words : `Relay ${name}: ${words}`;
}

function host(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
