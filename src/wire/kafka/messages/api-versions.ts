import { api, array, bool, int16, int32, int64, string } from '../declaration.ts';

/**
 * The first request of nearly every client. Its response has the old header in all versions, and a version of the
 * request that is not known is answered in version 0 (KIP-511).
 */

export const apiVersions = api(18, 'ApiVersions', '0-4', '3+', {
  request: {
    clientSoftwareName: string.in('3+'),
    clientSoftwareVersion: string.in('3+'),
  },
  response: {
    errorCode: int16,
    apiKeys: array({
      apiKey: int16,
      minVersion: int16,
      maxVersion: int16,
    }),
    throttleTimeMs: int32.in('1+'),
    supportedFeatures: array({
      name: string,
      minVersion: int16,
      maxVersion: int16,
    })
      .in('3+')
      .tagged(0),
    finalizedFeaturesEpoch: int64.in('3+').tagged(1).or(-1),
    finalizedFeatures: array({
      name: string,
      maxVersionLevel: int16,
      minVersionLevel: int16,
    })
      .in('3+')
      .tagged(2),
    zkMigrationReady: bool.in('3+').tagged(3).or(false),
  },
});
