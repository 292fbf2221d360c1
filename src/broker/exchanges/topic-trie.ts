/** Children by words up to which the largest is looked for again when one of them has become smaller. */
const COUNTED_WORDS_MAX = 64;
/** A routing key has 255 bytes: 128 words. */
const WORDS_MAX = 128;
/** What a place weighs that a message reaches once, beside one that it may reach with each of its words. */
const WEIGHT_MIN = 1 / 8;

/** How many words a key may have from a place on to match anything there. `#` makes the largest number infinite. */
interface WordCounts {
  wordsMin: number;
  wordsMax: number;
}

/** How often a message may be at the place, as a share of its words. */
function weightOf({ wordsMin, wordsMax }: WordCounts): number {
  const steps = Math.min(WORDS_MAX, wordsMax - wordsMin + 1);
  return Math.max(WEIGHT_MIN, steps / WORDS_MAX);
}

/** A place in the trie: what has been matched so far is the path that leads here. */
export class TopicNode<B> implements WordCounts {
  readonly parent: TopicNode<B> | null;
  /** The word of the binding key on the edge from the parent. */
  readonly edge: string;
  star: TopicNode<B> | null = null;
  hash: TopicNode<B> | null = null;
  bindings: Set<B> | null = null;
  /** The step of a walk that last reached this node, so that no step holds it twice. */
  reachedAt = 0;
  wordsMin = Number.POSITIVE_INFINITY;
  wordsMax = Number.NEGATIVE_INFINITY;
  /**
   * The weight of the nodes from here down that a key which is here can reach. Of the children by words it reaches one
   * at a time: the largest counts. As the numbers of words it may be too large after bindings were removed.
   */
  places = 0;
  placesByWord = 0;
  /** Nearly all have one child by a word at most: a map for each would be most of the memory. */
  #only: TopicNode<B> | null = null;
  #words: Map<string, TopicNode<B>> | null = null;

  constructor(parent: TopicNode<B> | null, edge: string) {
    this.parent = parent;
    this.edge = edge;
  }

  word(word: string): TopicNode<B> | null {
    if (this.#words !== null) return this.#words.get(word) ?? null;
    return this.#only !== null && this.#only.edge === word ? this.#only : null;
  }

  child(word: string): TopicNode<B> | null {
    if (word === '*') return this.star;
    if (word === '#') return this.hash;
    return this.word(word);
  }

  addChild(word: string): TopicNode<B> {
    const child = new TopicNode<B>(this, word);
    if (word === '*') this.star = child;
    else if (word === '#') this.hash = child;
    else if (this.#words !== null) this.#words.set(word, child);
    else if (this.#only === null) this.#only = child;
    else {
      this.#words = new Map([
        [this.#only.edge, this.#only],
        [word, child],
      ]);
      this.#only = null;
    }
    return child;
  }

  removeChild(word: string): void {
    if (word === '*') this.star = null;
    else if (word === '#') this.hash = null;
    else if (this.#only?.edge === word) this.#only = null;
    else {
      this.#words?.delete(word);
      if (this.#words?.size === 0) this.#words = null;
    }
  }

  /** A binding came here or below, by this child, of which so many words follow. */
  grown(child: TopicNode<B> | null, words: WordCounts): void {
    widen(this, words);
    if (child !== null && child !== this.star && child !== this.hash) {
      this.placesByWord = Math.max(this.placesByWord, child.places);
    }
    this.#count();
  }

  /** A child has gone, or has fewer places. */
  shrunk(): void {
    if (this.#words === null || this.#words.size <= COUNTED_WORDS_MAX) {
      this.placesByWord = this.#only?.places ?? 0;
      for (const { places } of this.#words?.values() ?? []) {
        if (places > this.placesByWord) this.placesByWord = places;
      }
    }
    this.#count();
  }

  #count(): void {
    this.places = weightOf(this) + this.placesByWord + (this.star?.places ?? 0) + (this.hash?.places ?? 0);
  }

  /** Nothing is below. */
  get isLeaf(): boolean {
    return this.star === null && this.hash === null && this.#only === null && this.#words === null;
  }

  get isBare(): boolean {
    return this.bindings === null && this.isLeaf;
  }
}

function widen(counts: WordCounts, { wordsMin, wordsMax }: WordCounts): void {
  if (wordsMin < counts.wordsMin) counts.wordsMin = wordsMin;
  if (wordsMax > counts.wordsMax) counts.wordsMax = wordsMax;
}

/** From the end of a binding key to its beginning: how many words follow each place, `edge` being the one that leads to it. */
class FollowingWords implements WordCounts {
  wordsMin = 0;
  wordsMax = 0;

  /** To be called before the numbers are used for the place that `edge` leads to. */
  at(edge: string): this {
    if (edge === '#') this.wordsMax = Number.POSITIVE_INFINITY;
    return this;
  }

  /** On to the place above. */
  up(edge: string): void {
    if (edge === '#') return;
    this.wordsMin++;
    this.wordsMax++;
  }
}

/** The bindings of a topic exchange by the words of their keys. */
export class TopicTrie<B> {
  readonly root = new TopicNode<B>(null, '');

  add(words: readonly string[], binding: B): void {
    let node = this.root;
    for (const word of words) node = node.child(word) ?? node.addChild(word);
    node.bindings ??= new Set();
    node.bindings.add(binding);
    const following = new FollowingWords();
    let child: TopicNode<B> | null = null;
    for (let at: TopicNode<B> | null = node; at !== null; at = at.parent) {
      at.grown(child, following.at(at.edge));
      following.up(at.edge);
      child = at;
    }
  }

  remove(words: readonly string[], binding: B): void {
    let node: TopicNode<B> | null = this.root;
    for (const word of words) {
      node = node.child(word);
      if (node === null) return;
    }
    node.bindings?.delete(binding);
    if (node.bindings?.size === 0) node.bindings = null;
    while (node.parent !== null && node.isBare) {
      node.parent.removeChild(node.edge);
      node = node.parent;
    }
    for (let at: TopicNode<B> | null = node; at !== null; at = at.parent) at.shrunk();
  }

  /** The places from the root down as they would be with one more binding. */
  placesWith(words: readonly string[]): number {
    const path: TopicNode<B>[] = [this.root];
    for (const word of words) {
      const child: TopicNode<B> | null = path[path.length - 1].child(word);
      if (child === null) break;
      path.push(child);
    }
    const following = new FollowingWords();
    let places = 0;
    for (let depth = words.length; depth >= 0; depth--) {
      const edge = depth === 0 ? '' : words[depth - 1];
      following.at(edge);
      // Below what is there, a path without a branch.
      if (depth >= path.length) places += weightOf(following);
      else places = placesAt(path[depth], depth < words.length ? words[depth] : null, places, following);
      following.up(edge);
    }
    return places;
  }
}

/** Those of a node, if the child by `word` had so many. */
function placesAt<B>(node: TopicNode<B>, word: string | null, below: number, following: WordCounts): number {
  const { star, hash, placesByWord } = node;
  const counts = { wordsMin: node.wordsMin, wordsMax: node.wordsMax };
  widen(counts, following);
  const isWord = word !== null && word !== '*' && word !== '#';
  return (
    weightOf(counts) +
    Math.max(placesByWord, isWord ? below : 0) +
    Math.max(star?.places ?? 0, word === '*' ? below : 0) +
    Math.max(hash?.places ?? 0, word === '#' ? below : 0)
  );
}
