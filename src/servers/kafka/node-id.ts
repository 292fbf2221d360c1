/** `node_id` of this broker, the only one of the cluster. */
export const NODE_ID = 1;
