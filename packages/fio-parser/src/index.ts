export { FioParseError, PROBLEMS_MAX, type FioErrorCode, type Problem, type ProblemCode, type Severity } from './errors.js';
export type { TextInput } from './text.js';
export { compareFioVersions, isAtLeast, parseFioVersion, type FioVersion } from './version.js';

export { JSON_INPUT_MAX, parseFioJson, wholeReport } from './json/report.js';
export type { JsonArray, JsonObject, JsonValue } from './json/reader.js';
export type {
  DirectionStats,
  DiskUtil,
  Distribution,
  FioJob,
  FioJsonResult,
  FioReport,
  LatencyStats,
  PriorityLatency,
  SampledStats,
  SteadyState,
  SyncStats,
} from './json/types.js';

export { binBounds, binOf, binValueNs, PLAT_BINS, type BinBounds } from './histogram/bins.js';
export { LatencyHistogram } from './histogram/histogram.js';

export { parseFioTerse, TERSE_LINE_MAX } from './terse/parse.js';
export type { TerseDirection, TerseDisk, TerseJob, TerseLatency, TerseResult } from './terse/types.js';

export { readLog, readLogBatches } from './log/read.js';
export { readHistogramLog } from './log/histogram-log.js';
export { parseLogName, type LogKind, type LogName } from './log/name.js';
export type { LogSource } from './log/source.js';
export {
  LOG_COLUMNS,
  LOG_DIRECTIONS,
  type HistogramRecord,
  type LogColumn,
  type LogDirection,
  type LogOptions,
  type LogPriority,
  type LogRecord,
  type LogSummary,
} from './log/types.js';

export {
  parseVerifyState,
  VERIFY_STATE_MAX,
  verifyStateName,
  wasCompleted,
  type RandomState,
  type VerifyState,
  type VerifyStateV3,
  type VerifyStateV5,
} from './state/verify-state.js';

export { crc16, crc32, crc32c, crc64, crc7 } from './verify/crc.js';
export { checkChecksum, fioChecksum, type ChecksumResult } from './verify/checksum.js';
export { parseVerifyHeader, VERIFY_MAGIC, withHeaderInFront } from './verify/header.js';
export { CHECKSUM_BYTES, VERIFY_TYPES, type VerifyHeader, type VerifyType, type VerifyTypeNumber } from './verify/types.js';
export { explainBlock, explainPatternBlock, type BlockReport, type ExplainOptions, type Finding, type FindingCode } from './verify/explain.js';
export type { PayloadDiff, RangeContent, WrongRange } from './verify/diff.js';
export { scanVerifyBlocks, type ScanOptions } from './verify/scan.js';

export { parseFioEta, type FioEta } from './eta/parse.js';

export { parseMessages, MESSAGE_LINE_MAX } from './messages/parse.js';
export { explainExit, type FioExit, type FioExitMeaning } from './messages/exit.js';
export type {
  FioMessage,
  HeaderField,
  IoErrorMessage,
  JobErrorMessage,
  OptionMessage,
  OtherMessage,
  RequestedBlock,
  TerminatedMessage,
  VerifyDataMessage,
  VerifyHeaderMessage,
  VerifyStateMessage,
  VerifyTrimMessage,
} from './messages/types.js';

export { JOB_FILE_MAX, JOB_LINE_MAX, parseJobFile, type JobFileResult } from './job/parse.js';
export { jobFile, writeJobFile, type OptionValue } from './job/write.js';
export { environmentNames, expandEnvironment, INCLUDE_DEPTH_MAX, keywords, resolveJobs, type ReadInclude } from './job/resolve.js';
export { parseFileList, parseFlag, parseSize, parseTimeUs } from './job/values.js';
export type { BlankLine, CommentLine, IncludeLine, JobFile, JobLine, OptionLine, ResolvedJob, SectionLine } from './job/types.js';
