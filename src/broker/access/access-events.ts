import type { Table } from '../../base/value.ts';
import type { AccessState } from './access-state.ts';
import type { Acl } from './acl.ts';
import type { AccessOperation } from './operations.ts';

export interface NamedEvent {
  readonly name: string;
  readonly fields: Table;
}

/** What a change of users and permissions is called in events, seen from the state before it. */
export function eventsOfAccess(state: AccessState, operation: AccessOperation): NamedEvent[] {
  switch (operation.op) {
    case 'access.begin':
      return [];
    case 'access.user.set':
      return eventsOfUser(state, operation);
    case 'access.user.delete':
      return [{ name: 'user.deleted', fields: { name: operation.user } }];
    case 'access.permissions.set': {
      const { user, vhost, configure, write, read } = operation;
      return [{ name: 'permission.created', fields: { user, vhost, configure, write, read } }];
    }
    case 'access.permissions.clear': {
      const { user, vhost } = operation;
      return [{ name: 'permission.deleted', fields: { user, vhost } }];
    }
    case 'access.topic.set': {
      const { user, vhost, exchange, write, read } = operation;
      return [{ name: 'topic.permission.created', fields: { user, vhost, exchange, write, read } }];
    }
    case 'access.topic.clear': {
      const { user, vhost, exchange } = operation;
      return [{ name: 'topic.permission.deleted', fields: { user, vhost, exchange } }];
    }
    case 'access.vhost-limits.set': {
      const { vhost, limits } = operation;
      return limitsEvent('vhost', { name: vhost }, state.vhostLimits.get(vhost) ?? {}, limits);
    }
    case 'access.acl.add':
      return [{ name: 'acl.created', fields: aclFields(operation.vhost, operation.acl) }];
    case 'access.acl.remove':
      return [{ name: 'acl.deleted', fields: aclFields(operation.vhost, operation.acl) }];
    case 'access.acl.clear':
      return [];
    case 'access.quota.set': {
      const { entity, values } = operation;
      const { user = null, clientId = null, ip = null } = entity;
      const isCleared = Object.keys(values).length === 0;
      const fields = { user, client_id: clientId, ip, ...values };
      return [{ name: `quota.${isCleared ? 'cleared' : 'set'}`, fields }];
    }
  }
}

/** One operation sets all of a user: what it changes is told. A password never is. */
function eventsOfUser(
  { users }: AccessState,
  { user: name, password, scram = {}, tags, limits }: AccessOperation & { readonly op: 'access.user.set' },
): NamedEvent[] {
  const before = users.get(name);
  if (before === undefined) {
    const made: NamedEvent[] = [{ name: 'user.created', fields: { name } }];
    if (tags.length > 0) made.push({ name: 'user.tags.set', fields: { name, tags } });
    return made;
  }
  const events: NamedEvent[] = [];
  const isCleared = password === null && Object.keys(scram).length === 0;
  if (before.password !== password || before.scram !== scram) {
    events.push({
      name: isCleared ? 'user.password.cleared' : 'user.password.changed',
      fields: { name },
    });
  }
  if ([...before.tags].join() !== tags.join()) events.push({ name: 'user.tags.set', fields: { name, tags } });
  return [...events, ...limitsEvent('user', { name }, before.limits, limits)];
}

function aclFields(vhost: string, { name, pattern, ...acl }: Acl): Table {
  return { vhost, resource_name: name, pattern_type: pattern, ...acl };
}

function limitsEvent(
  kind: 'user' | 'vhost',
  whose: Table,
  before: { readonly [name: string]: number },
  after: { readonly [name: string]: number },
): NamedEvent[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const isCleared = Object.keys(after).length === 0;
  return [{ name: `${kind}.limits.${isCleared ? 'cleared' : 'set'}`, fields: { ...whose, ...after } }];
}
