/**
 * The description of the watcher as a device of Home Assistant: one message for all of its entities, as the MQTT
 * integration takes it since 2024.12 ("device discovery"; its schema is `DEVICE_DISCOVERY_SCHEMA` in
 * homeassistant/components/mqtt/schemas.py).
 */

import { GONE, HERE, objectIdOf, topicsOf } from './topics.ts';

const NAME = 'mosquitto-cert-watcher';

/** The entity has no state: what Home Assistant calls `PAYLOAD_NONE`. */
const UNKNOWN = 'None';

/** The client certificate is the first file, if the set can be read. */
const DAYS_LEFT = `{{ value_json.certificates.files[0].days_remaining if value_json.certificates.files else '${UNKNOWN}' }}`;

const STATUS = `{{ value_json.status if value_json.status != 'unknown' else '${UNKNOWN}' }}`;

const ATTRIBUTES = `{{ {'summary': value_json.summary, 'advice': value_json.advice} | tojson }}`;

const PENDING = `{% set d = value_json.decision %}{{ '${UNKNOWN}' if d is none else 'ON' if d.rotation_pending else 'OFF' }}`;

const UPSTREAM = `{% set p = value_json.upstream.last_probe %}{{ '${UNKNOWN}' if p is none else 'ON' if p.ok else 'OFF' }}`;

/** Connected if every bridge of the broker is. */
const BRIDGE = `{% set b = value_json.broker.bridges or [] %}{{ '${UNKNOWN}' if not b else 'OFF' if b | rejectattr('up') | list else 'ON' }}`;

/** The payload for `discoveryTopicOf`. */
export function discoveryText(statusTopic: string, version: string): string {
  const id = objectIdOf(statusTopic);
  const { state, availability } = topicsOf(statusTopic);
  const entity = (key: string, fields: object) => ({ [key]: { unique_id: `${id}_${key}`, ...fields } });
  return JSON.stringify({
    device: {
      identifiers: [`${NAME}_${id}`],
      name: statusTopic,
      manufacturer: NAME,
      model: 'certificate watcher of a Mosquitto broker',
      sw_version: version,
    },
    origin: { name: NAME, sw_version: version },
    state_topic: state,
    availability_topic: availability,
    payload_available: HERE,
    payload_not_available: GONE,
    qos: 1,
    components: {
      ...entity('status', {
        platform: 'sensor',
        name: 'Status',
        device_class: 'enum',
        options: ['ok', 'warning', 'critical'],
        value_template: STATUS,
        json_attributes_topic: state,
        json_attributes_template: ATTRIBUTES,
        icon: 'mdi:certificate',
      }),
      ...entity('days_left', {
        platform: 'sensor',
        name: 'Certificate expires in',
        device_class: 'duration',
        unit_of_measurement: 'd',
        state_class: 'measurement',
        suggested_display_precision: 0,
        value_template: DAYS_LEFT,
      }),
      ...entity('rotation_pending', {
        platform: 'binary_sensor',
        name: 'Rotation pending',
        icon: 'mdi:certificate-outline',
        value_template: PENDING,
      }),
      ...entity('upstream', {
        platform: 'binary_sensor',
        name: 'Accepted by upstream',
        device_class: 'connectivity',
        value_template: UPSTREAM,
      }),
      ...entity('bridge', {
        platform: 'binary_sensor',
        name: 'Bridge',
        device_class: 'connectivity',
        value_template: BRIDGE,
      }),
    },
  });
}
