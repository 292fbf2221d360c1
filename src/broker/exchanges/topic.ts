import { type TopicNode, TopicTrie } from './topic-trie.ts';
import type { BindingPattern, ExchangeType, Router } from './type.ts';

/**
 * AMQP 3.1.3.3: keys are words between dots; in a binding key `*` stands for exactly one word and `#` for any number
 * of words, also none. As in RabbitMQ, the empty key has no words, while `a.` has two, the second one empty.
 */
export const topicExchange: ExchangeType = {
  name: 'topic',
  createRouter: <B extends BindingPattern>() => new TopicRouter<B>(),
};

/**
 * How many places of the trie a word of a key may reach. Bindings of one exchange that could make it more are refused: with
 * wildcards in every place, a few hundred of them can take a publisher seconds. Natural ones stay below a hundred: words
 * count once, however many there are beside each other.
 */
export const TOPIC_PLACES_MAX = 2500;
/** Up to so many wildcards a binding may still be added when others have used the places up. */
const WILDCARDS_FEW = 2;
const TOPIC_PLACES_OF_FEW_MAX = 4000;

/**
 * A trie of words, walked as an automaton: a step holds the set of nodes that the words so far can have reached. The
 * work is bounded by words × places, also for keys like `#.#.#.#` for which backtracking would be exponential.
 */
class TopicRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = true;
  readonly takesEveryKey = true;
  /** Nodes that were reached. */
  routeSteps = 0;
  readonly #trie = new TopicTrie<B>();
  #step = 0;
  /** Of the message at hand. */
  #firstStep = 0;

  refusal(routingKey: string): string | null {
    const words = patternOf(routingKey);
    const wildcards = words.filter((word) => word === '*' || word === '#').length;
    const placesMax = wildcards <= WILDCARDS_FEW ? TOPIC_PLACES_OF_FEW_MAX : TOPIC_PLACES_MAX;
    if (this.#trie.placesWith(words) <= placesMax) return null;
    return (
      `too many bindings whose wildcards overlap: with '${routingKey}' a word of a routing key could be at more than ` +
      `${placesMax} places in the bindings of this exchange; use fewer wildcards, or further exchanges`
    );
  }

  add(binding: B): void {
    this.#trie.add(patternOf(binding.routingKey), binding);
  }

  remove(binding: B): void {
    this.#trie.remove(patternOf(binding.routingKey), binding);
  }

  route(routingKey: string, _message: unknown, visit: (binding: B) => void): void {
    const words = wordsOf(routingKey);
    let reached: TopicNode<B>[] = [];
    let next: TopicNode<B>[] = [];
    let left = words.length;
    this.routeSteps = 1;
    this.#firstStep = ++this.#step;
    this.#reach(this.#trie.root, left, reached, visit);
    for (const word of words) {
      left--;
      this.#step++;
      this.routeSteps += reached.length;
      for (let index = 0; index < reached.length; index++) {
        const node = reached[index];
        // What `#` led to stays reached: it may swallow this word too.
        if (node.edge === '#') this.#reach(node, left, next, visit);
        if (node.star !== null) this.#reach(node.star, left, next, visit);
        const child = node.word(word);
        if (child !== null) this.#reach(child, left, next, visit);
      }
      if (next.length === 0) return;
      [reached, next] = [next, reached];
      next.length = 0;
    }
    for (const node of reached) visitAll(node, visit);
  }

  /**
   * Reaching a node reaches the `#` below it too, which may stand for no word at all. Below what asks for more words than
   * are left, or for fewer, nothing matches; what ends with `#` matches whatever follows.
   */
  #reach(from: TopicNode<B>, left: number, reached: TopicNode<B>[], visit: (binding: B) => void): void {
    for (
      let node: TopicNode<B> | null = from;
      node !== null && node.reachedAt !== this.#step;
      node = node.hash
    ) {
      if (left < node.wordsMin || left > node.wordsMax) return;
      if (node.edge === '#' && node.isLeaf) {
        if (node.reachedAt < this.#firstStep) visitAll(node, visit);
        node.reachedAt = this.#step;
        return;
      }
      node.reachedAt = this.#step;
      reached.push(node);
    }
  }
}

function visitAll<B>(node: TopicNode<B>, visit: (binding: B) => void): void {
  if (node.bindings !== null) for (const binding of node.bindings) visit(binding);
}

function wordsOf(key: string): string[] {
  return key === '' ? [] : key.split('.');
}

/**
 * The words of a binding key, with neighbouring wildcards in one form: `#.*`, `*.#` and `#.*.#` all ask for one word or
 * more, and become `*.#`.
 */
function patternOf(key: string): string[] {
  const words = wordsOf(key);
  if (!words.includes('#')) return words;
  const pattern: string[] = [];
  let hasHash = false;
  for (const word of words) {
    if (word === '#') {
      hasHash = true;
      continue;
    }
    if (hasHash && word !== '*') {
      pattern.push('#');
      hasHash = false;
    }
    pattern.push(word);
  }
  if (hasHash) pattern.push('#');
  return pattern;
}
