import type { Work } from '../../../base/turn-time.ts';

/** A member, as the division of partitions sees it. */
export interface AssignedMember {
  readonly id: string;
  /** Ids of the streams that it reads: the same list for members who read the same, where that is known. */
  readonly streams: readonly string[];
  /** What it has now, or had last. */
  readonly assignment: Assignment;
}

/** Partitions, ascending, by the id of their stream. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

/** A member while partitions are divided. */
interface Seat {
  readonly member: AssignedMember;
  /** Of all divisions. */
  readonly given: Map<string, number[]>;
  /** How many it has of this division. */
  count: number;
  /** The one that it was given last in this division. */
  last: number;
}

/** Partitions that are divided together, each known by a number: those of one stream follow one another. */
interface Places {
  readonly streams: readonly { readonly id: string; readonly first: number; readonly count: number }[];
  readonly total: number;
}

/** What is looked at in one step. */
const LOOKS_PER_STEP = 32;

/**
 * The assignor `simple` of share groups (KIP-932): every partition has a member, every member has a partition of what it
 * reads, and who has what stays as it is as far as that allows. With more members than partitions several share one;
 * loads differ by one where all read the same.
 */
export function* assignShares(
  members: readonly AssignedMember[],
  partitionsOf: (stream: string) => number,
): Work<Map<string, Assignment>> {
  const seats = members.map((member): Seat => ({ member, given: new Map(), count: 0, last: -1 }));
  if (members.length > 0) {
    if (yield* isHomogeneous(members)) {
      yield* divide(yield* placesOf(members[0].streams, partitionsOf), seats);
    } else {
      for (const [stream, readers] of yield* readersOf(seats)) {
        yield* divide(yield* placesOf([stream], partitionsOf), readers);
      }
    }
  }
  const assigned = new Map<string, Assignment>();
  for (const { member, given } of seats) {
    assigned.set(member.id, given);
    for (const partitions of given.values()) {
      partitions.sort((a, b) => a - b);
      yield;
    }
    yield;
  }
  return assigned;
}

/** Whether all read the same. */
function* isHomogeneous(members: readonly AssignedMember[]): Work<boolean> {
  const [{ streams }] = members;
  const names = new Set(streams);
  for (const { streams: others } of members) {
    yield;
    if (others === streams) continue;
    if (others.length !== streams.length) return false;
    for (let index = 0; index < others.length; index++) {
      if (!names.has(others[index])) return false;
      if (index % LOOKS_PER_STEP === 0) yield;
    }
  }
  return true;
}

function* readersOf(seats: readonly Seat[]): Work<Map<string, Seat[]>> {
  const readers = new Map<string, Seat[]>();
  for (const seat of seats) {
    for (let index = 0; index < seat.member.streams.length; index++) {
      const stream = seat.member.streams[index];
      const others = readers.get(stream);
      if (others === undefined) readers.set(stream, [seat]);
      else others.push(seat);
      if (index % LOOKS_PER_STEP === 0) yield;
    }
  }
  return readers;
}

function* placesOf(streams: readonly string[], partitionsOf: (stream: string) => number): Work<Places> {
  const found: { id: string; first: number; count: number }[] = [];
  let total = 0;
  for (const id of streams) {
    const count = partitionsOf(id);
    found.push({ id, first: total, count });
    total += count;
    if (found.length % LOOKS_PER_STEP === 0) yield;
  }
  return { streams: found, total };
}

/**
 * Gives each place to as many as are needed for all to have one, and each of them about as many:
 *
 *     quota     what each has at least
 *     extra     how many have one more
 */
function* divide({ streams, total }: Places, seats: readonly Seat[]): Work<void> {
  if (total === 0) return;
  const sharers = Math.ceil(seats.length / total);
  const quota = Math.floor((total * sharers) / seats.length);
  let extra = (total * sharers) % seats.length;
  /** How many a place is still to be given to. */
  const left = new Int32Array(total).fill(sharers);
  let looks = 0;
  const give = (seat: Seat, stream: string, partition: number, place: number): void => {
    left[place]--;
    if (seat.count++ === quota) extra--;
    seat.last = place;
    const partitions = seat.given.get(stream);
    if (partitions === undefined) seat.given.set(stream, [partition]);
    else partitions.push(partition);
  };
  // What a member has it keeps.
  for (const seat of seats) {
    seat.count = 0;
    for (const { id, first, count } of streams) {
      for (const partition of seat.member.assignment.get(id) ?? []) {
        if (seat.count > quota || (seat.count === quota && extra === 0)) break;
        if (partition < count && left[first + partition] > 0) give(seat, id, partition, first + partition);
        if (++looks % LOOKS_PER_STEP === 0) yield;
      }
      if (++looks % LOOKS_PER_STEP === 0) yield;
    }
  }
  // Then in turns to those that have less than all shall have. Where places are shared that is nothing, so nobody gets one twice.
  const poor = seats.filter(({ count }) => count < quota);
  let turn = 0;
  for (const { id, first, count } of streams) {
    for (let partition = 0; partition < count && poor.length > 0; partition++) {
      while (left[first + partition] > 0 && poor.length > 0) {
        turn %= poor.length;
        const seat = poor[turn];
        give(seat, id, partition, first + partition);
        if (seat.count < quota) turn++;
        else {
          const other = poor.pop() as Seat;
          if (other !== seat) poor[turn] = other;
        }
        if (++looks % LOOKS_PER_STEP === 0) yield;
      }
      if (++looks % LOOKS_PER_STEP === 0) yield;
    }
  }
  // One more for some. Who has this place already takes a later one.
  const waiting = extra > 0 ? seats.filter(({ count }) => count === quota) : [];
  for (const { id, first, count } of streams) {
    for (let partition = 0; partition < count && waiting.length > 0; partition++) {
      const place = first + partition;
      const later: Seat[] = [];
      while (left[place] > 0 && waiting.length > 0) {
        const seat = waiting.pop() as Seat;
        if (sharers > 1 && seat.last === place) later.push(seat);
        else give(seat, id, partition, place);
        if (++looks % LOOKS_PER_STEP === 0) yield;
      }
      for (const seat of later) waiting.push(seat);
      if (++looks % LOOKS_PER_STEP === 0) yield;
    }
  }
}

export function isSameAssignment(left: Assignment, right: Assignment): boolean {
  if (left === right) return true;
  if (left.size !== right.size) return false;
  for (const [stream, partitions] of left) {
    const others = right.get(stream);
    if (others === undefined || !isSameList(partitions, others)) return false;
  }
  return true;
}

function isSameList(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((each, index) => each === right[index]);
}
