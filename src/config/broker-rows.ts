/** The rows of the table that say which brokers are restarted: one of four ways. */

import { DEFAULT_CONTAINER } from '../core/model/settings.ts';
import { entry } from './entry.ts';
import * as parsers from './parsers.ts';

export const BROKER_ROWS = {
  container: entry(
    'MOSQUITTO_CONTAINER',
    DEFAULT_CONTAINER,
    parsers.list(parsers.containerName),
    'container to restart, by name or id; several: a,b,c, restarted one by one',
  ),
  label: entry(
    'MOSQUITTO_LABEL',
    undefined,
    parsers.label,
    '`key=value`: restart the containers with this label instead, one by one',
  ),
  service: entry(
    'MOSQUITTO_SERVICE',
    undefined,
    parsers.containerName,
    'update this Docker Swarm service instead of restarting containers',
  ),
  unit: entry(
    'MOSQUITTO_UNIT',
    undefined,
    parsers.serviceUnit,
    'restart this service of systemd instead (`mosquitto.service`), without any container',
  ),
} as const;
