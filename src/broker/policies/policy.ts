import type { Table } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import { type ApplyTo, appliesTo, isApplyTo, type MatchedKind } from './apply-to.ts';
import { validateDefinition, withMilliseconds } from './definition.ts';
import type { PolicyKind } from './operator-policy.ts';
import { Pattern, type PatternOptions, validPattern } from './pattern.ts';

/** What is to hold for all queues or exchanges whose name matches. */
export interface Policy {
  readonly name: string;
  /** A regular expression that may match anywhere in the name. */
  readonly pattern: string;
  readonly applyTo: ApplyTo;
  /** Of those that match, the one with the highest is the only one that counts. */
  readonly priority: number;
  readonly definition: Table;
}

/** As it comes from a user. */
export interface PolicyRequest extends Omit<Policy, 'applyTo' | 'priority'> {
  /** Everything, unless told otherwise. */
  readonly applyTo?: string;
  /** 0, unless told otherwise. */
  readonly priority?: number;
}

const NAME_LENGTH_MAX = 255;

/** @throws BrokerError precondition-failed, with what is wrong and, where RabbitMQ has one, in its words */
export function validPolicy(request: PolicyRequest, kind: PolicyKind): Policy {
  const { name, pattern, applyTo = 'all', priority = 0 } = request;
  const definition = withMilliseconds(request.definition);
  if (name === '' || name.length > NAME_LENGTH_MAX) {
    throw refused(`the name of a policy has between 1 and ${NAME_LENGTH_MAX} characters`);
  }
  if (!isApplyTo(applyTo)) {
    throw refused(
      `apply-to '${applyTo}' unrecognised; should be 'queues', 'classic_queues', 'quorum_queues', 'exchanges' or 'all'`,
    );
  }
  if (!Number.isSafeInteger(priority)) throw refused(`priority should be number, actually was ${priority}`);
  checkPattern(pattern);
  validateDefinition(definition, kind === 'operator-policy');
  return { name, pattern, applyTo, priority, definition };
}

/** A policy that is in force, unless its pattern is none: one of an older data directory may not be. */
export class ActivePolicy {
  readonly policy: Policy;
  readonly #pattern: Pattern;

  constructor(policy: Policy) {
    this.policy = policy;
    this.#pattern = new Pattern(policy.pattern, patternOptions(policy.pattern));
  }

  /** Why it applies to nothing. */
  get problem(): string | null {
    return this.#pattern.problem;
  }

  matches(kind: MatchedKind, name: string): boolean {
    return appliesTo(this.policy.applyTo, kind) && this.#pattern.matches(name);
  }
}

/** Unlike that of a permission, the empty pattern of a policy matches every name. */
function patternOptions(source: string): PatternOptions {
  return source === '' ? { expanded: '^' } : {};
}

function checkPattern(source: string): void {
  try {
    validPattern(source, patternOptions(source));
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    throw refused(`pattern should be regular expression but is invalid: ${error.message}`);
  }
}

function refused(message: string): BrokerError {
  return new BrokerError('precondition-failed', message);
}
