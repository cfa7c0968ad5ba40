export type LinkErrorCode = 'LINK_UNKNOWN' | 'LINK_EXISTS' | 'LINK_BAD_OPTION' | 'LINK_CLOSED' | 'LINK_LIMIT';

/** A call that the fabric refuses; nothing has changed. */
export class LinkError extends Error {
  readonly code: LinkErrorCode;
  constructor(code: LinkErrorCode, message: string) {
    super(message);
    this.name = 'LinkError';
    this.code = code;
  }
}
