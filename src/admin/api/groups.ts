import type { Json } from '../../base/value-json.ts';
import type { Group } from '../../broker/groups/group.ts';
import { GroupError } from '../../broker/groups/group-error.ts';
import { OffsetRowsBuilder } from '../../broker/groups/offset-commit.ts';
import { type ResetTarget, resetOffset } from '../../broker/groups/offset-reset.ts';
import type { ShareGroup } from '../../broker/groups/share/share-group.ts';
import type { AnyPartition } from '../../broker/streams/any-partition.ts';
import { type FiguresById, figuresOfAll } from '../../broker/streams/partition-figures.ts';
import type { Stream } from '../../broker/streams/stream.ts';
import type { AdminContext } from '../context.ts';
import { badRequest, HttpError, notFound } from '../http-error.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, done, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { durably } from './durably.ts';
import { resetShares, shareDetails, shareSummaries } from './share-groups.ts';
import { vhostOf, vhostsOf } from './vhost-of.ts';

export const groupRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/groups', handle: list },
  { method: 'GET', path: '/api/groups/{vhost}', handle: list },
  { method: 'GET', path: '/api/groups/{vhost}/{name}', handle: one },
  { method: 'DELETE', path: '/api/groups/{vhost}/{name}', handle: remove },
  { method: 'POST', path: '/api/groups/{vhost}/{name}/offsets', handle: reset },
];

type View = { readonly [field: string]: Json };

async function list(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { groups, shareGroups } = context.broker;
  const vhosts = vhostsOf(context, request).map(({ name }) => name);
  const shares = vhosts.flatMap((vhost) => shareGroups.list(vhost));
  const summaries = await shareSummaries(context, shares);
  const figures = await figuresFor(
    context,
    vhosts.flatMap((vhost) => groups.list(vhost)),
  );
  return ok(
    vhosts.flatMap((vhost) => [
      ...groups.list(vhost).map((group) => summary(context, group, figures)),
      ...summaries.filter((_, at) => shares[at]?.vhost === vhost),
    ]),
  );
}

async function one(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const shareGroup = shareGroupOf(context, request);
  if (shareGroup !== undefined) return ok(await shareDetails(context, shareGroup));
  const group = groupOf(context, request);
  const { membership } = group;
  const figures = await figuresFor(context, [group]);
  return ok({
    ...summary(context, group, figures),
    generation: membership.type === 'classic' ? membership.generation : membership.epoch,
    assignor: (membership.type === 'classic' ? membership.protocol : membership.assignor) ?? null,
    member_details: membersOf(context, group),
    offsets: offsetsOf(context, group, figures),
  });
}

async function remove(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request).name;
  const name = request.parameter('name');
  const { groups } = context.broker;
  const home = groups.others.find((others) => others.has(vhost, name)) ?? groups;
  await refusing(() => home.delete(vhost, name));
  return await durably(context, done());
}

/** Sets the committed offsets of one stream, in a group without members; responds with the old and the new ones. */
async function reset(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { broker } = context;
  const vhost = vhostOf(context, request).name;
  const name = request.parameter('name');
  const stream = broker.streams.get(vhost, request.string('stream'));
  if (stream === undefined) throw notFound(`no stream '${request.string('stream')}' in vhost '${vhost}'`);
  const target = targetOf(request);
  const shareGroup = shareGroupOf(context, request);
  const group = broker.groups.find(vhost, name);
  if ((shareGroup ?? group)?.isEmpty === false) {
    throw new HttpError(409, 'group_not_empty', `group '${name}' has members: stop them first`);
  }
  const isWanted = !request.boolean('dry_run', false);
  if (shareGroup !== undefined) {
    const indexes = chosen(request, stream).map(({ index }) => index);
    const moved = await refusing(() => resetShares(context, shareGroup, stream, indexes, target, isWanted));
    return await durably(context, ok(moved));
  }
  const rows = new OffsetRowsBuilder();
  const moved: View[] = [];
  const partitions = chosen(request, stream);
  const figures = await figuresOfAll(partitions, broker.partitionReads);
  for (const partition of partitions) {
    const present = group?.offsets.get(stream.id, partition.index) ?? null;
    const offset = await resetOffset(partition, offsetsIn(figures, partition), target, present);
    rows.add(stream.id, [partition.index, offset]);
    moved.push({
      stream: stream.name,
      partition: partition.index,
      offset,
      previous_offset: present?.offset ?? null,
    });
  }
  if (isWanted) {
    await refusing(() =>
      broker.groups.commit({
        vhost,
        group: name,
        memberId: '',
        instanceId: null,
        generation: -1,
        knowsEpochs: true,
        rows: rows.rows,
      }),
    );
  }
  return await durably(context, ok(moved));
}

function chosen(request: ApiRequest, stream: Stream): readonly AnyPartition[] {
  if (!request.has('partition')) return stream.partitions;
  const partition = stream.partitions[request.integer('partition')];
  if (partition === undefined) {
    throw notFound(`stream '${stream.name}' has no partition ${request.integer('partition')}`);
  }
  return [partition];
}

/** `earliest`, `latest`, an offset, a shift as `-100`, a time as `2026-05-01T12:00:00Z`. */
function targetOf(request: ApiRequest): ResetTarget {
  const to = request.string('to');
  if (to === 'earliest' || to === 'latest') return { to };
  if (/^[+-]\d{1,15}$/.test(to)) return { to: 'shift', by: Number(to) };
  if (/^\d{1,15}$/.test(to)) return { to: 'offset', offset: Number(to) };
  const timeMs = Date.parse(to);
  if (!Number.isNaN(timeMs)) return { to: 'time', timeMs };
  throw badRequest(`'to' is earliest, latest, an offset, a shift such as -100, or a time, not '${to}'`);
}

function groupOf(context: AdminContext, request: ApiRequest): Group {
  const vhost = vhostOf(context, request).name;
  const name = request.parameter('name');
  const group = context.broker.groups.find(vhost, name);
  if (group === undefined) throw notFound(`no group '${name}' in vhost '${vhost}'`);
  return group;
}

function shareGroupOf(context: AdminContext, request: ApiRequest): ShareGroup | undefined {
  return context.broker.shareGroups.find(vhostOf(context, request).name, request.parameter('name'));
}

function summary(context: AdminContext, group: Group, figures: FiguresById): View {
  const { id: name, vhost, state, protocolType, membership } = group;
  const members = membership.type === 'classic' ? membership.roster.size : membership.members.size;
  const lag = offsetsOf(context, group, figures).reduce((sum, each) => sum + each.lag, 0);
  return { name, vhost, type: membership.type, state, protocol_type: protocolType, members, lag };
}

interface OffsetView {
  readonly [field: string]: Json;
  readonly lag: number;
}

/** Of the partitions in which they have committed. */
async function figuresFor({ broker }: AdminContext, groups: readonly Group[]): Promise<FiguresById> {
  const partitions = new Set<AnyPartition>();
  for (const { offsets } of groups) {
    for (const streamId of offsets.streamIds()) {
      const stream = broker.streams.byId(streamId);
      if (stream === undefined) continue;
      for (const [index] of offsets.of(streamId)) {
        const partition = stream.partitions[index];
        if (partition !== undefined) partitions.add(partition);
      }
    }
  }
  return await figuresOfAll([...partitions], broker.partitionReads);
}

/** Zero of one that is gone. */
function offsetsIn(figures: FiguresById, partition: AnyPartition | undefined) {
  const { startOffset = 0, highWatermark = 0 } =
    (partition === undefined ? undefined : figures.get(partition.id)) ?? {};
  return { startOffset, highWatermark };
}

/** The lag counts the records from the committed offset, or from the first that retention has left, to the end. */
function offsetsOf({ broker }: AdminContext, { offsets }: Group, figures: FiguresById): OffsetView[] {
  return [...offsets.streamIds()].flatMap((streamId) => {
    const stream = broker.streams.byId(streamId);
    if (stream === undefined) return [];
    return Array.from(offsets.of(streamId), ([index, { offset, leaderEpoch, metadata, commitMs }]) => {
      const { startOffset, highWatermark } = offsetsIn(figures, stream.partitions[index]);
      return {
        stream: stream.name,
        partition: index,
        offset,
        end_offset: highWatermark,
        lag: Math.max(0, highWatermark - Math.max(offset, startOffset)),
        leader_epoch: leaderEpoch,
        metadata,
        committed_at: new Date(commitMs).toISOString(),
      };
    });
  });
}

function membersOf({ broker }: AdminContext, { membership, protocolType }: Group): View[] {
  if (membership.type === 'classic') {
    return Array.from(membership.roster.members.values(), (member) => ({
      id: member.id,
      instance_id: member.instanceId,
      client_id: member.clientId,
      host: member.host,
      partitions: broker.groups.codec
        .readAssignment(protocolType, member.assignment)
        .map(({ topic, partitions }) => ({
          stream: topic,
          partitions: [...partitions],
        })),
    }));
  }
  return Array.from(membership.members.values(), (member) => ({
    id: member.id,
    instance_id: member.instanceId,
    client_id: member.clientId,
    host: member.host,
    epoch: member.epoch,
    partitions: Array.from(member.assigned, ([streamId, partitions]) => ({
      stream: broker.streams.byId(streamId)?.name ?? null,
      partitions: [...partitions],
    })),
  }));
}

async function refusing<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    if (error.kind === 'group-not-found') throw notFound(error.message);
    if (error.kind === 'group-not-empty' || error.kind === 'unknown-member') {
      throw new HttpError(409, 'group_not_empty', error.message);
    }
    throw badRequest(error.message);
  }
}
