import type { ConfigType } from '../../../broker/streams/config-value.ts';
import { CONFIG_TYPE } from '../../../wire/kafka/constants.ts';

export const TYPE_CODES: { readonly [type in ConfigType]: number } = {
  boolean: CONFIG_TYPE.BOOLEAN,
  string: CONFIG_TYPE.STRING,
  int: CONFIG_TYPE.INT,
  short: CONFIG_TYPE.SHORT,
  long: CONFIG_TYPE.LONG,
  double: CONFIG_TYPE.DOUBLE,
  list: CONFIG_TYPE.LIST,
  class: CONFIG_TYPE.CLASS,
  password: CONFIG_TYPE.PASSWORD,
};
