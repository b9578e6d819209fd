// What the packets of a connection go through: its selected pair of candidates.

/** As much of a report's entries as is looked at; browsers leave out some. */
interface Entry {
  type: string;
  selectedCandidatePairId?: string;
  /** Firefox, which names no pair in its transport. */
  selected?: boolean;
  localCandidateId?: string;
  remoteCandidateId?: string;
  candidateType?: string;
  address?: string | null;
  port?: number;
}

/**
 * Whether a TURN server passes the packets on, on either side; `undefined` while no pair is
 * selected.
 */
export function usesTurn(report: RTCStatsReport): boolean | undefined {
  const entries = new Map<string, Entry>();
  report.forEach((entry: Entry, id: string) => {
    entries.set(id, entry);
  });
  const all = [...entries.values()];
  const named = all.find((entry) => entry.type === "transport" && entry.selectedCandidatePairId);
  const pair =
    entries.get(named?.selectedCandidatePairId ?? "") ??
    all.find((entry) => entry.type === "candidate-pair" && entry.selected === true);
  const local = entries.get(pair?.localCandidateId ?? "");
  const remote = entries.get(pair?.remoteCandidateId ?? "");
  if (local === undefined || remote === undefined) {
    return undefined;
  }
  // The other side's server may have been heard from before it was named.
  const isRemote = (entry: Entry): boolean =>
    entry.type === "remote-candidate" &&
    entry.address != null &&
    entry.address === remote.address &&
    entry.port === remote.port;
  return [local, remote, ...all.filter(isRemote)].some((one) => one.candidateType === "relay");
}
