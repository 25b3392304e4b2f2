"""A resource's own SIP trunks and routes, as ACS's SIP routing API has them: `/sip`.

A trunk is the tenant's own SBC. It is used only after the operator enabled its name for this resource.
"""
