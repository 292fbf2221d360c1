import { addressKey } from '../../broker/budget/address-key.ts';
import type { FairTurns, Waiter } from '../../broker/budget/fair-turns.ts';
import type { TrackedConnection } from './accepted-connection.ts';

/**
 * How long a handshake keeps its turn at most. What costs time of the event loop is the answer to the client's hello,
 * which mostly has come by the time that it is its turn; who takes longer costs nothing meanwhile.
 */
const TURN_MS_MAX = 20;

export interface TlsTurnEvents {
  begin(): void;
  refused(): void;
}

/**
 * Begins the TLS handshake of a connection when it is its turn: each takes the event loop for a millisecond or two, and many
 * at once would take it from everybody. The deadline does not run while it waits.
 */
export function takeTlsTurn(connection: TrackedConnection, turns: FairTurns, events: TlsTurnEvents): void {
  const { socket, peer } = connection;
  const key = addressKey(peer.address);
  let hasBegun = false;
  const waiter: Waiter = {
    begin(done) {
      hasBegun = true;
      if (socket.destroyed) {
        done();
        return;
      }
      const timer = setTimeout(done, TURN_MS_MAX);
      const endTurn = () => {
        clearTimeout(timer);
        done();
      };
      connection.endTurn = endTurn;
      connection.startDeadline();
      events.begin();
    },
    refuse() {
      connection.endTurn = null;
      events.refused();
      socket.destroy();
    },
  };
  const stopWaiting = () => void turns.leave(key, 0, waiter);
  connection.endTurn = stopWaiting;
  turns.enter(key, 0, waiter);
  if (!hasBegun) connection.stopDeadline();
}
