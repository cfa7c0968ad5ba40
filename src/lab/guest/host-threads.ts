/**
 * UV_THREADPOOL_SIZE with which the member has to be started (Node cannot change it later): each operation
 * that the kernel queues holds a thread. A thread that waits costs a few kilobytes.
 */
export const hostThreads = 256;
