/** Of the one broker that there is, as clients know it. */
export const NODE_ID = 1;
