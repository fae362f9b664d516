"""The history of whole roads, of the parcels that are delivered already."""

import sqlalchemy as sa
from alembic import op

revision = '20261125_routes'
down_revision = '20261125_routing'

_SECONDS = {
    'sqlite': "CAST(strftime('%s', max_at) AS INTEGER) - CAST(strftime('%s', min_at) AS INTEGER)",
    'postgresql': 'CAST(extract(epoch FROM max_at - min_at) AS INTEGER)',
}


def upgrade() -> None:
    seconds = _SECONDS[op.get_bind().dialect.name]
    hours = f'({seconds}) / 3600'
    op.execute(
        sa.text(f"""
        INSERT INTO leg_hours (carrier, place, status, ends, toward, hour, parcels)
        SELECT '', origin, 'InTransit', 'route', destination,
               CASE WHEN {hours} > 720 THEN 720 ELSE {hours} END AS took, count(*)
        FROM (
            SELECT shipments.origin AS origin, shipments.destination AS destination,
                   min(CASE WHEN scans.status IN ('InTransit', 'Expired', 'Exception',
                       'OutForDelivery', 'DeliveryFailure') THEN scans.at END) AS min_at,
                   min(CASE WHEN scans.status = 'Delivered' THEN scans.at END) AS max_at
            FROM shipments JOIN scans ON scans.shipment_id = shipments.id
            WHERE shipments.status = 'Delivered'
              AND shipments.origin <> '' AND shipments.destination <> ''
            GROUP BY shipments.id, shipments.origin, shipments.destination
        ) AS roads
        WHERE min_at <= max_at
        GROUP BY origin, destination, took
        """)
    )
