import { api, array, bool, int8, int16, int32, string } from '../declaration.ts';

/** Settings of topics, brokers, groups and clients. */

export const describeConfigs = api(32, 'DescribeConfigs', '1-4', '4+', {
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configurationKeys: array(string).nullable(),
    }),
    includeSynonyms: bool.or(false),
    includeDocumentation: bool.in('3+').or(false),
  },
  response: {
    throttleTimeMs: int32,
    results: array({
      errorCode: int16,
      errorMessage: string.nullable(),
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: string.nullable(),
        readOnly: bool,
        configSource: int8.or(-1),
        isSensitive: bool,
        synonyms: array({
          name: string,
          value: string.nullable(),
          source: int8,
        }),
        configType: int8.in('3+').or(0),
        documentation: string.in('3+').nullable(),
      }),
    }),
  },
});

export const alterConfigs = api(33, 'AlterConfigs', '0-2', '2+', {
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: string.nullable(),
      }),
    }),
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: int32,
    responses: array({
      errorCode: int16,
      errorMessage: string.nullable(),
      resourceType: int8,
      resourceName: string,
    }),
  },
});

export const incrementalAlterConfigs = api(44, 'IncrementalAlterConfigs', '0-1', '1+', {
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        configOperation: int8,
        value: string.nullable(),
      }),
    }),
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: int32,
    responses: array({
      errorCode: int16,
      errorMessage: string.nullable(),
      resourceType: int8,
      resourceName: string,
    }),
  },
});

export const listConfigResources = api(74, 'ListConfigResources', '0-1', '0+', {
  request: {
    resourceTypes: array(int8).in('1+'),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    configResources: array({
      resourceName: string,
      resourceType: int8.in('1+').or(16),
    }),
  },
});
