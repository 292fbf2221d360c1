import { type Case, idOf } from '../case.ts';
import { exchangeCases } from './exchanges.ts';
import { generalCases } from './general.ts';
import { messageCases } from './messages.ts';
import { permissionCases } from './permissions.ts';
import { publishingCases } from './publishing.ts';
import { queueCases } from './queues.ts';
import { sessionCases } from './sessions.ts';

/** Every method × what may be wrong with it. */
export const allCases: readonly Case[] = [
  ...sessionCases,
  ...exchangeCases,
  ...queueCases,
  ...messageCases,
  ...publishingCases,
  ...permissionCases,
  ...generalCases,
];

const ids = new Set<string>();
for (const each of allCases) {
  const id = idOf(each);
  if (ids.has(id)) throw new Error(`two cases are called '${id}'`);
  ids.add(id);
}
