export const gatewayPort = 4_420;

/** The kernel modules of a gateway node, to be loaded at boot. */
export const gatewayModules = ['configfs', 'nvmet', 'nvmet-tcp', 'rbd', 'dm-multipath', 'dm-round-robin'] as const;
