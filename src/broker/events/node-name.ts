import { hostname } from 'node:os';

/** How this broker is called where RabbitMQ has the name of a node. */
export const nodeName = `sluice@${hostname()}`;
