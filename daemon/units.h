/* Units: the UCUM code for each way instruments and spreadsheets spell one.
 *
 * Only names change here, never numbers: `ppb` becomes `ug/kg` because in a solid food one part per billion is one
 * microgram per kilogram. Source of the codes: The Unified Code for Units of Measure, version 2.1. Any thread may call.
 */
#ifndef ASSAYD_UNITS_H
#define ASSAYD_UNITS_H

/* The UCUM code of a unit as sent, whatever its case and width; NULL when it is not known. */
const char *units_ucum(const char *as_sent);

#endif
