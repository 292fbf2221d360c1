/** The library chooses the type by the value; it writes no unsigned numbers, floats, decimals, timestamps or bytes. */
export const allFieldTypes: Record<string, unknown> = {
  text: 'größer als 日本',
  empty: '',
  yes: true,
  no: false,
  int8: -128,
  int16: -32768,
  int32: -2147483648,
  int64: -9007199254740993n,
  double: 0.1,
  nothing: null,
  array: ['a', 1, [true, null], { inner: 0.25 }],
  table: { deeper: { deepest: [1, 2, 3] }, text: '' },
};
