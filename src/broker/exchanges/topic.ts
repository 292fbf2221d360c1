import type { BindingPattern, ExchangeType, Router } from './type.ts';

/**
 * AMQP 3.1.3.3: keys are words between dots; in a binding key `*` stands for exactly one word and `#` for any number
 * of words, also none. As in RabbitMQ, the empty key has no words, while `a.` has two, the second one empty.
 */
export const topicExchange: ExchangeType = {
  name: 'topic',
  createRouter: <B extends BindingPattern>() => new TopicRouter<B>(),
};

/** A place in the trie: what has been matched so far is the path that leads here. */
class Node<B> {
  readonly parent: Node<B> | null;
  /** The word of the binding key on the edge from the parent. */
  readonly edge: string;
  readonly words = new Map<string, Node<B>>();
  star: Node<B> | null = null;
  hash: Node<B> | null = null;
  readonly bindings = new Set<B>();
  /** The step of a walk that last reached this node, so that no step holds it twice. */
  reachedAt = 0;

  constructor(parent: Node<B> | null, edge: string) {
    this.parent = parent;
    this.edge = edge;
  }

  child(word: string): Node<B> | null {
    if (word === '*') return this.star;
    if (word === '#') return this.hash;
    return this.words.get(word) ?? null;
  }

  setChild(word: string, child: Node<B> | null): void {
    if (word === '*') this.star = child;
    else if (word === '#') this.hash = child;
    else if (child === null) this.words.delete(word);
    else this.words.set(word, child);
  }

  isBare(): boolean {
    return this.bindings.size === 0 && this.words.size === 0 && this.star === null && this.hash === null;
  }
}

/**
 * A trie of words, walked as an automaton: a step holds the set of nodes that the words so far can have reached. The
 * work is bounded by words × nodes, also for keys like `#.#.#.#` for which backtracking would be exponential.
 */
class TopicRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = true;
  readonly takesEveryKey = true;
  readonly #root = new Node<B>(null, '');
  #step = 0;

  add(binding: B): void {
    let node = this.#root;
    for (const word of wordsOf(binding.routingKey)) {
      let child = node.child(word);
      if (child === null) {
        child = new Node(node, word);
        node.setChild(word, child);
      }
      node = child;
    }
    node.bindings.add(binding);
  }

  remove(binding: B): void {
    let node: Node<B> | null = this.#root;
    for (const word of wordsOf(binding.routingKey)) {
      node = node.child(word);
      if (node === null) return;
    }
    node.bindings.delete(binding);
    while (node.parent !== null && node.isBare()) {
      node.parent.setChild(node.edge, null);
      node = node.parent;
    }
  }

  route(routingKey: string, _message: unknown, visit: (binding: B) => void): void {
    let reached: Node<B>[] = [];
    this.#step++;
    this.#reach(this.#root, reached);
    for (const word of wordsOf(routingKey)) {
      const next: Node<B>[] = [];
      this.#step++;
      for (const node of reached) {
        // What `#` led to stays reached: it may swallow this word too.
        if (node.edge === '#') this.#reach(node, next);
        if (node.star !== null) this.#reach(node.star, next);
        const child = node.words.get(word);
        if (child !== undefined) this.#reach(child, next);
      }
      if (next.length === 0) return;
      reached = next;
    }
    for (const node of reached) for (const binding of node.bindings) visit(binding);
  }

  /** Reaching a node reaches the `#` below it too, which may stand for no word at all. */
  #reach(from: Node<B>, reached: Node<B>[]): void {
    for (let node: Node<B> | null = from; node !== null && node.reachedAt !== this.#step; node = node.hash) {
      node.reachedAt = this.#step;
      reached.push(node);
    }
  }
}

function wordsOf(key: string): string[] {
  return key === '' ? [] : key.split('.');
}
