import type { SettingType } from '../setting-types.ts';

export const KIB = 2 ** 10;
export const MIB = 2 ** 20;

/** `key` is what users write; the environment variable is `SLUICE_` and the key in capitals. */
export interface Definition<T> {
  readonly key: string;
  readonly type: SettingType<T>;
  readonly default: NoInfer<T>;
  readonly description: string;
  /** The feature is not in this version: nothing but the default is accepted. */
  readonly unbuilt?: true;
}

export function setting<T>(definition: Definition<T>): Definition<T> {
  return definition;
}
