/**
 * Home Assistant publishes its schema only as Python (homeassistant/components/mqtt: schemas.py, sensor.py,
 * binary_sensor.py, entity.py); what this message uses of it is written down here once more, strictly: a key that is not
 * listed fails.
 */

import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { discoveryText } from '../../../src/surfaces/mqtt/home-assistant.ts';
import { discoveryTopicOf } from '../../../src/surfaces/mqtt/topics.ts';

const topic = v.pipe(v.string(), v.regex(/^[^+#\0]+$/));
const template = v.pipe(v.string(), v.regex(/\{\{.*\}\}/));

/** MQTT_ENTITY_COMMON_SCHEMA, as far as it is used. */
const ENTITY = {
  unique_id: v.string(),
  name: v.string(),
  icon: v.optional(v.pipe(v.string(), v.regex(/^mdi:[a-z-]+$/))),
  json_attributes_topic: v.optional(topic),
  json_attributes_template: v.optional(template),
  value_template: template,
};

/** DISCOVERY_SCHEMA of sensor.py: an enum has options, and neither unit nor state class. */
const SENSOR = v.variant('device_class', [
  v.strictObject({
    ...ENTITY,
    platform: v.literal('sensor'),
    device_class: v.literal('enum'),
    options: v.pipe(v.array(v.string()), v.minLength(1)),
  }),
  v.strictObject({
    ...ENTITY,
    platform: v.literal('sensor'),
    device_class: v.literal('duration'),
    unit_of_measurement: v.picklist(['d', 'h', 'min', 's', 'ms']),
    state_class: v.picklist(['measurement', 'total', 'total_increasing']),
    suggested_display_precision: v.pipe(v.number(), v.integer(), v.minValue(0)),
  }),
]);

const BINARY_SENSOR = v.strictObject({
  ...ENTITY,
  platform: v.literal('binary_sensor'),
  device_class: v.optional(v.picklist(['connectivity', 'problem', 'running', 'update'])),
});

/** DEVICE_DISCOVERY_SCHEMA of schemas.py. */
const DEVICE_DISCOVERY = v.strictObject({
  device: v.strictObject({
    identifiers: v.pipe(v.array(v.string()), v.minLength(1)),
    name: v.string(),
    manufacturer: v.string(),
    model: v.string(),
    sw_version: v.string(),
  }),
  origin: v.strictObject({ name: v.string(), sw_version: v.string() }),
  components: v.record(v.string(), v.union([SENSOR, BINARY_SENSOR])),
  state_topic: topic,
  availability_topic: topic,
  payload_available: v.string(),
  payload_not_available: v.string(),
  qos: v.picklist([0, 1, 2]),
});

const TOPIC = 'cert-watcher/edge-1';

function message(statusTopic = TOPIC) {
  return v.parse(DEVICE_DISCOVERY, JSON.parse(discoveryText(statusTopic, '1.2.3')));
}

describe('the message for Home Assistant', () => {
  it('is of its schema of device discovery', () => {
    expect(Object.keys(message().components)).toEqual([
      'status',
      'days_left',
      'rotation_pending',
      'upstream',
      'bridge',
    ]);
  });

  it('points to the topics at which this watcher publishes', () => {
    expect(message()).toMatchObject({
      state_topic: `${TOPIC}/state`,
      availability_topic: `${TOPIC}/availability`,
      payload_available: 'online',
      payload_not_available: 'offline',
    });
  });

  it('gives no two entities of two gateways the same id', () => {
    const ids = [
      TOPIC,
      'cert-watcher/edge-2',
      'cert-watcher/edge_1',
      'cert-watcher_edge-1',
      'cert watcher/edge-1',
    ];
    const all = ids.flatMap((each) => Object.values(message(each).components).map(({ unique_id: id }) => id));
    expect(new Set(all).size).toBe(all.length);
  });

  it.each([TOPIC, 'Werk/Süd/edge 1', 'a'])('goes to a topic that it looks at: %s', (statusTopic) => {
    // TOPIC_MATCHER of discovery.py
    expect(discoveryTopicOf('homeassistant', statusTopic)).toMatch(
      /^homeassistant\/device\/[a-zA-Z0-9_-]+\/config$/,
    );
  });
});
