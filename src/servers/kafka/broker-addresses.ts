import { nodeIdOf } from './node-id.ts';

/** A broker as responses name it: each shard is one. */
export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

/** Where a client finds the brokers: all at one host, at ports that are as far from one another as those that they listen on. */
export interface ClientsView {
  readonly host: string;
  /** What has to be added to the port that a broker listens on: other than 0 behind a proxy that maps ports. */
  readonly portOffset: number;
}

const PORT_MAX = 65_535;

/** All brokers, in the order of their node ids. `ports`: what each shard listens on. */
export function brokerAddresses(
  ports: readonly number[],
  { host, portOffset }: ClientsView,
): BrokerAddress[] {
  return ports.map((port, shard) => ({ nodeId: nodeIdOf(shard), host, port: portSeen(port, portOffset) }));
}

/** Ports that the system has chosen can be anywhere, and an offset may lead beyond what is a port. */
function portSeen(port: number, offset: number): number {
  const seen = port + offset;
  return seen >= 1 && seen <= PORT_MAX ? seen : port;
}
