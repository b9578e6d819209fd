import { useLayoutEffect, useReducer } from "preact/hooks";

/** Renders the component again at each `change` of the target. */
export function useChanges(target: EventTarget): void {
  const [, again] = useReducer((count: number, _: Event) => count + 1, 0);
  // Before the browser paints: a later effect would miss changes in between.
  useLayoutEffect(() => {
    target.addEventListener("change", again);
    return () => target.removeEventListener("change", again);
  }, [target]);
}
