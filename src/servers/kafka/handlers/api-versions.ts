import { clientText } from '../../../base/client-text.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { apiVersions } from '../../../wire/kafka/messages/api-versions.ts';
import { FEATURES } from '../features.ts';
import type { ApiHandler } from '../handler.ts';

/** Valid `client_software_name` and `client_software_version` (KIP-511). */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export const apiVersionsHandler: ApiHandler<typeof apiVersions> = {
  api: apiVersions,
  minVersion: 0,
  maxVersion: 4,
  isOpenToAll: true,
  handle({ clientSoftwareName: name, clientSoftwareVersion: version }, context) {
    if (context.version >= 3) {
      if (!SOFTWARE.test(name) || !SOFTWARE.test(version)) {
        return { errorCode: ERROR_CODES.INVALID_REQUEST, apiKeys: [] };
      }
      context.client.software = clientText(`${name} ${version}`);
    }
    return {
      errorCode: ERROR_CODES.NONE,
      apiKeys: context.apis.map(({ api, minVersion, maxVersion }) => ({
        apiKey: api.key,
        minVersion,
        maxVersion,
      })),
      // Clients before version 4 reject a feature whose minimum level is 0 (KAFKA-17011).
      supportedFeatures: FEATURES.filter(({ min }) => min > 0 || context.version >= 4).map((feature) => ({
        name: feature.name,
        minVersion: feature.min,
        maxVersion: feature.max,
      })),
      finalizedFeaturesEpoch: 1,
      finalizedFeatures: FEATURES.filter(({ level }) => level > 0).map(({ name, level }) => ({
        name,
        maxVersionLevel: level,
        minVersionLevel: level,
      })),
    };
  },
};
