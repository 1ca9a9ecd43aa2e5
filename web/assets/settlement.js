/** What a call cost, once the control plane has closed it. No DOM. */

const POLL_EVERY_MS = 500;
const POLL_LIMIT_MS = 10_000;
const OPEN = new Set(['authorized', 'active']);

/**
 * The call's row when it is no longer open, or null when that took longer than the limit or
 * `signal` was aborted. A failed look-up counts as "not yet".
 */
export async function awaitSettlement({ api, callId, signal }) {
  const deadlineMs = performance.now() + POLL_LIMIT_MS;
  while (!signal.aborted && performance.now() < deadlineMs) {
    const row = await api.call(callId).catch(() => null);
    if (row !== null && typeof row.status === 'string' && !OPEN.has(row.status)) return row;
    await pause(POLL_EVERY_MS);
  }
  return null;
}

function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
