import type { EventOf, EventType, HistoryEvent } from '../../history/events.js';

/** The events of one type, in their order. */
export function eventsOf<Type extends EventType>(events: readonly HistoryEvent[], type: Type): EventOf<Type>[] {
  return events.filter((event): event is EventOf<Type> => event.type === type);
}
