/** A member, as the division of partitions sees it. */
export interface AssignedMember {
  readonly id: string;
  /** Ids of the streams that it reads. */
  readonly streams: readonly string[];
  /** What it has now, or had last. */
  readonly assignment: Assignment;
}

/** Partitions, ascending, by the id of their stream. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

interface Place {
  readonly stream: string;
  readonly partition: number;
  readonly key: string;
}

interface Seat {
  readonly member: AssignedMember;
  readonly places: Map<string, Place>;
}

/**
 * The assignor `simple` of share groups (KIP-932): every partition has a member, every member has a partition of what it
 * reads, and who has what stays as it is as far as that allows. With more members than partitions several share one;
 * loads differ by one where all read the same.
 */
export function assignShares(
  members: readonly AssignedMember[],
  partitionsOf: (stream: string) => number,
): Map<string, Assignment> {
  const seats = members.map((member): Seat => ({ member, places: new Map() }));
  const first = members[0];
  const isHomogeneous = members.every(({ streams }) => isSameSet(streams, first?.streams ?? []));
  if (first !== undefined && isHomogeneous) {
    divide(placesOf(first.streams, partitionsOf), seats);
  } else {
    for (const stream of new Set(members.flatMap(({ streams }) => streams))) {
      const readers = seats.filter(({ member }) => member.streams.includes(stream));
      divide(placesOf([stream], partitionsOf), readers);
    }
  }
  return new Map(seats.map(({ member, places }) => [member.id, toAssignment(places)]));
}

/** Gives each place to as many as are needed for all to have one, and each of them about as many. */
function divide(places: readonly Place[], seats: readonly Seat[]): void {
  if (places.length === 0 || seats.length === 0) return;
  const sharers = Math.ceil(seats.length / places.length);
  const total = places.length * sharers;
  const quota = Math.floor(total / seats.length);
  let extra = total % seats.length;
  const given = new Map<Seat, number>(seats.map((seat) => [seat, 0]));
  const taken = new Map<string, number>(places.map(({ key }) => [key, 0]));
  const give = (seat: Seat, place: Place): void => {
    if (given.get(seat) === quota) extra--;
    given.set(seat, (given.get(seat) ?? 0) + 1);
    taken.set(place.key, (taken.get(place.key) ?? 0) + 1);
    seat.places.set(place.key, place);
  };
  const hasRoom = (seat: Seat): boolean => {
    const count = given.get(seat) ?? 0;
    return count < quota || (count === quota && extra > 0);
  };
  const byKey = new Map(places.map((place) => [place.key, place]));
  for (const seat of seats) {
    for (const [stream, partitions] of seat.member.assignment) {
      for (const partition of partitions) {
        const place = byKey.get(keyOf(stream, partition));
        if (place === undefined || (taken.get(place.key) ?? 0) >= sharers || !hasRoom(seat)) continue;
        give(seat, place);
      }
    }
  }
  // Those with least go first; nobody gets the same twice.
  const waiting = seats.filter(hasRoom);
  for (const place of places) {
    while ((taken.get(place.key) ?? 0) < sharers) {
      let best: Seat | null = null;
      for (const seat of waiting) {
        if (seat.places.has(place.key) || !hasRoom(seat)) continue;
        if (best === null || (given.get(seat) ?? 0) < (given.get(best) ?? 0)) best = seat;
      }
      // All that have room have this one: there is one with a full load that takes one more.
      best ??= seats.find((seat) => !seat.places.has(place.key)) ?? null;
      if (best === null) break;
      give(best, place);
    }
  }
  // By what stayed where it was, somebody may have nothing left to take: sharing goes beyond what is even then.
  for (const seat of seats) {
    if ((given.get(seat) ?? 0) > 0) continue;
    const place = places.reduce((least, each) =>
      (taken.get(each.key) ?? 0) < (taken.get(least.key) ?? 0) ? each : least,
    );
    give(seat, place);
  }
}

function placesOf(streams: readonly string[], partitionsOf: (stream: string) => number): Place[] {
  const places: Place[] = [];
  for (const stream of [...streams].sort()) {
    const count = partitionsOf(stream);
    for (let partition = 0; partition < count; partition++) {
      places.push({ stream, partition, key: keyOf(stream, partition) });
    }
  }
  return places;
}

function keyOf(stream: string, partition: number): string {
  return `${stream}/${partition}`;
}

function isSameSet(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((each) => right.includes(each));
}

function toAssignment(places: ReadonlyMap<string, Place>): Assignment {
  const assignment = new Map<string, number[]>();
  for (const { stream, partition } of places.values()) {
    const partitions = assignment.get(stream) ?? [];
    assignment.set(stream, partitions);
    partitions.push(partition);
  }
  for (const partitions of assignment.values()) partitions.sort((a, b) => a - b);
  return assignment;
}

export function isSameAssignment(left: Assignment, right: Assignment): boolean {
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
