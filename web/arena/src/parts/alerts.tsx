// "You were attacked by …!": it stands above everything, is read out at once, and takes nothing out of the player's hands.

import type { Alert } from '@nimaora/client';
import { useEffect } from 'preact/hooks';
import { say } from '../say.js';
import { Icon } from './icons.js';

/** How long an alert stays, in milliseconds. */
const ALERT_MS = 7_000;

interface Props {
  readonly alerts: readonly Alert[];
  readonly onDismiss: (eventId: string) => void;
  /** Strikes the attacker; nothing where that cannot be. */
  readonly strikeBack: (attacker: string) => (() => void) | undefined;
}

export function Alerts({ alerts, onDismiss, strikeBack }: Props) {
  const newest = alerts[0];
  useEffect(() => {
    if (!newest) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') onDismiss(newest.eventId);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [newest, onDismiss]);
  return (
    <div class="alerts" role="alert" aria-atomic="false">
      {alerts.map((alert) => (
        <Shown key={alert.eventId} alert={alert} onDismiss={onDismiss} strike={strikeBack(alert.attacker)} />
      ))}
    </div>
  );
}

function Shown({
  alert,
  onDismiss,
  strike,
}: {
  readonly alert: Alert;
  readonly onDismiss: (eventId: string) => void;
  readonly strike: (() => void) | undefined;
}) {
  const { eventId } = alert;
  useEffect(() => {
    const timer = setTimeout(() => onDismiss(eventId), ALERT_MS);
    return () => clearTimeout(timer);
  }, [eventId, onDismiss]);
  return (
    <div class={alert.blocked ? 'attacked blocked' : 'attacked'} data-event={eventId}>
      <Icon name={alert.blocked ? 'shield' : 'arrow'} />
      <p>
        <strong>{say.attacked(alert)}</strong>
        <span>{say.damage(alert)}</span>
      </p>
      {strike && (
        <button
          type="button"
          class="strike"
          onClick={() => {
            strike();
            onDismiss(eventId);
          }}
        >
          Strike back
        </button>
      )}
      <button type="button" class="close" aria-label="Dismiss" onClick={() => onDismiss(eventId)}>
        ×
      </button>
    </div>
  );
}
