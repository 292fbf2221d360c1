/**
 * The library chooses the type by the value; it writes no short or unsigned numbers and no decimals, and doubles only
 * where a float is too small.
 */
export const allFieldTypes: Record<string, unknown> = {
  text: 'größer als 日本',
  empty: '',
  yes: true,
  no: false,
  int32: -2147483648,
  int64: -9007199254740993n,
  float: 0.5,
  double: 1e100 + 0.1,
  timestamp: new Date(1_700_000_000_000),
  bytes: Buffer.from([0, 1, 255]),
  nothing: null,
  array: ['a', 1, [true, null], { inner: 0.25 }],
  table: { deeper: { deepest: [1, 2, 3] }, text: '' },
};
