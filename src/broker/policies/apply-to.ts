/** What kinds of things a policy is for. */
export type ApplyTo = 'queues' | 'classic_queues' | 'quorum_queues' | 'exchanges' | 'all';

export type MatchedKind = 'classic' | 'quorum' | 'exchange';

const matched: { readonly [applyTo in ApplyTo]: readonly MatchedKind[] } = {
  queues: ['classic', 'quorum'],
  classic_queues: ['classic'],
  quorum_queues: ['quorum'],
  exchanges: ['exchange'],
  all: ['classic', 'quorum', 'exchange'],
};

export function isApplyTo(text: string): text is ApplyTo {
  return Object.hasOwn(matched, text);
}

export function appliesTo(applyTo: ApplyTo, kind: MatchedKind): boolean {
  return matched[applyTo].includes(kind);
}
