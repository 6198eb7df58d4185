// What our copy of the OHIF viewer reads first: DICOMweb of this origin and nothing else, no address outside it.
window.PUBLIC_URL = '/viewer/';
window.browserImportFunction = name => import(name);
window.config = {
  routerBasename: '/viewer',
  extensions: [],
  modes: [],
  // Nobody who looks for a bleeding wants to be shown around first.
  customizationService: [{ 'ohif.tours': { $set: [] } }],
  showStudyList: false,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  // Our own banner says what this copy is not for, and cannot be clicked away.
  investigationalUseDialog: { option: 'never' },
  maxNumRequests: { interaction: 20, thumbnail: 4, prefetch: 8 },
  showErrorDetails: 'production',
  defaultDataSourceName: 'safelight',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'safelight',
      configuration: {
        friendlyName: 'Safelight',
        name: 'safelight',
        qidoRoot: '/dicomweb',
        wadoRoot: '/dicomweb',
        wadoUriRoot: '/dicomweb',
        qidoSupportsIncludeField: true,
        supportsReject: false,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        dicomUploadEnabled: false,
        omitQuotationForMultipartRequest: true,
        bulkDataURI: { enabled: true },
      },
    },
  ],
  whiteLabeling: {
    createLogoComponentFn: react =>
      react.createElement('a', { href: '/find', className: 'safelight-back', title: 'Back to Find' }, 'Safelight'),
  },
};
