// What tabs of one profile share, and how they stay apart.

/** Kept at most where the browser does not say what it offers, in bytes. */
const MODEST = 1 << 30;

/**
 * Whether this worker may bear the profile's peer id: one tab does, the others are peers of
 * their own. Held until the worker ends. Without locks no tab can know, so none does.
 */
export async function claimName(store: string): Promise<boolean> {
  const locks: LockManager | undefined = navigator.locks;
  if (locks === undefined) {
    return false;
  }
  return new Promise((resolve) => {
    const claim = locks.request(`samara peer ${store}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise<void>(() => {});
    });
    claim.catch(() => resolve(false));
  });
}

/** Half of what the browser offers. */
export async function defaultLimit(): Promise<number> {
  const storage: StorageManager | undefined = navigator.storage;
  const quota = (await storage?.estimate().catch(() => undefined))?.quota;
  return quota === undefined ? MODEST : Math.floor(quota / 2);
}
