import { api, array, bool, bytes, int8, int16, int32, string, uuid } from '../declaration.ts';

/** Metrics that clients send to the broker (KIP-714). */

export const getTelemetrySubscriptions = api(71, 'GetTelemetrySubscriptions', '0', '0+', {
  request: {
    clientInstanceId: uuid,
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    clientInstanceId: uuid,
    subscriptionId: int32,
    acceptedCompressionTypes: array(int8),
    pushIntervalMs: int32,
    telemetryMaxBytes: int32,
    deltaTemporality: bool,
    requestedMetrics: array(string),
  },
});

export const pushTelemetry = api(72, 'PushTelemetry', '0', '0+', {
  request: {
    clientInstanceId: uuid,
    subscriptionId: int32,
    terminating: bool,
    compressionType: int8,
    metrics: bytes,
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
  },
});
