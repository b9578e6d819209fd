import assert from "node:assert/strict";
import { test } from "node:test";
import { usesTurn } from "../src/rtc/pair.ts";

type Entry = Record<string, unknown>;

function report(...entries: Entry[]): RTCStatsReport {
  return new Map(entries.map((entry) => [entry["id"], entry])) as unknown as RTCStatsReport;
}

const TRANSPORT = { id: "T", type: "transport", selectedCandidatePairId: "P" };
const PAIR = { id: "P", type: "candidate-pair", localCandidateId: "L", remoteCandidateId: "R" };

function local(candidateType: string): Entry {
  return { id: "L", type: "local-candidate", candidateType, address: "192.0.2.1", port: 1 };
}

function remote(candidateType: string, id = "R"): Entry {
  return { id, type: "remote-candidate", candidateType, address: "192.0.2.2", port: 2 };
}

test("a pair with a TURN server on either side is told from a direct one", () => {
  const of = (one: string, other: string): boolean | undefined =>
    usesTurn(report(TRANSPORT, PAIR, local(one), remote(other)));
  assert.equal(of("host", "host"), false);
  assert.equal(of("srflx", "prflx"), false);
  assert.equal(of("relay", "srflx"), true);
  assert.equal(of("host", "relay"), true);
});

test("a server that was heard from before it was named is one", () => {
  const ends = [local("host"), remote("prflx"), remote("relay", "R2")];
  assert.equal(usesTurn(report(TRANSPORT, PAIR, ...ends)), true);
  const elsewhere = { ...remote("relay", "R2"), port: 3 };
  const others = [local("host"), remote("prflx"), elsewhere];
  assert.equal(usesTurn(report(TRANSPORT, PAIR, ...others)), false);
});

test("Firefox marks the pair itself", () => {
  const ends = [local("relay"), remote("host")];
  assert.equal(usesTurn(report({ ...PAIR, selected: true }, ...ends)), true);
});

test("nothing is said before a pair is selected", () => {
  assert.equal(usesTurn(report()), undefined);
  assert.equal(usesTurn(report(PAIR, local("relay"), remote("host"))), undefined);
  assert.equal(usesTurn(report(TRANSPORT, PAIR)), undefined);
});
